using Toolkit.Backends;

namespace Toolkit;

/// <summary>What lives on a loop and carries bytes, for those who look on.</summary>
public static class TransportListing
{
    /// <param name="loop">The loop.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// How each transport of the loop stands at this moment: connections, end points of datagrams, pipes, terminals,
        /// children, those that handshake, and those that linger. In no particular order. It takes a microsecond or so for each, during
        /// which nothing else runs, and calls no user code. Loop thread only.
        /// </summary>
        /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
        /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
        public IReadOnlyList<TransportInfo> DescribeTransports()
            => [.. loop.Host.Residents.OfType<IDescribedResident<TransportInfo>>().Select(resident => resident.Describe())];
    }
}
