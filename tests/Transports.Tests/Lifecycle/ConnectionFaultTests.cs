using System.Net.Sockets;
using Toolkit.Transports;

namespace Toolkit.Tests.Lifecycle;

public sealed class ConnectionFaultTests
{
    [Theory]
    [InlineData(SocketError.ConnectionReset, CloseReason.Reset, true)]
    [InlineData(SocketError.ConnectionAborted, CloseReason.Reset, true)]
    [InlineData(SocketError.Shutdown, CloseReason.Reset, true)]
    [InlineData(SocketError.NetworkReset, CloseReason.Reset, false)]
    [InlineData(SocketError.NotConnected, CloseReason.Reset, false)]
    [InlineData(SocketError.TimedOut, CloseReason.Timeout, false)]
    [InlineData(SocketError.HostUnreachable, CloseReason.NetworkError, false)]
    [InlineData(SocketError.NetworkDown, CloseReason.NetworkError, false)]
    [InlineData(SocketError.NoBufferSpaceAvailable, CloseReason.NetworkError, false)]
    public void ToException_OfAnError_HasItsReasonAndTheErrorInside(SocketError error, CloseReason reason, bool peerIsGone)
    {
        ConnectionException exception = ConnectionFault.ToException(error);
        Assert.Equal(reason, exception.Reason);
        Assert.Equal(reason, ConnectionFault.ReasonOf(error));
        Assert.Equal(error, Assert.IsType<SocketException>(exception.InnerException).SocketErrorCode);
        Assert.IsAssignableFrom<IOException>(exception);
        Assert.NotEmpty(exception.Message);
        Assert.Equal(peerIsGone, ConnectionFault.MeansPeerIsGone(error));
    }
}
