using System.Runtime.InteropServices;

namespace Toolkit.Backends.Linux;

/// <summary>
/// The handles of a backend by a token that the kernel is given to report, in place of a descriptor's number: the number
/// may be a stranger's by the time the report is read. A token is a place in the table with its generation, which changes
/// whenever the place becomes free.
/// </summary>
internal sealed class HandleTable<THandle>
    where THandle : class
{
    /// <summary>The bits of a token. The rest of the 64 are the backend's own.</summary>
    public const ulong TokenMask = (1UL << TokenBits) - 1;

    /// <summary>How many bits a token has.</summary>
    public const int TokenBits = 56;

    private const int PlaceBits = 32;
    private const int PlacesPerPage = 1024;
    private const uint GenerationMask = (1u << (TokenBits - PlaceBits)) - 1;

    // Pages, so that growing copies nothing and takes no more than is needed.
    private readonly List<Place[]> _pages = [];
    private int _firstFree = -1;
    private int _used;

    /// <summary>Adds a handle.</summary>
    /// <returns>Its token.</returns>
    public ulong Add(THandle handle)
    {
        int index = _firstFree;
        if (index >= 0)
        {
            _firstFree = PlaceAt(index).NextFree;
        }
        else
        {
            if (_used == _pages.Count * PlacesPerPage)
            {
                _pages.Add(new Place[PlacesPerPage]);
            }

            index = _used++;
        }

        ref Place place = ref PlaceAt(index);
        place.Handle = handle;
        return ((ulong)place.Generation << PlaceBits) | (uint)index;
    }

    /// <summary>Frees the place; the token means nobody from here on.</summary>
    public void Remove(ulong token)
    {
        int index = (int)(token & uint.MaxValue);
        ref Place place = ref PlaceAt(index);
        place.Handle = null;
        place.Generation = (place.Generation + 1) & GenerationMask;
        place.NextFree = _firstFree;
        _firstFree = index;
    }

    /// <summary>The handle of a token, or null when it has been removed.</summary>
    public THandle? Find(ulong token)
    {
        ref Place place = ref PlaceAt((int)(token & uint.MaxValue));
        return place.Generation == ((uint)(token >>> PlaceBits) & GenerationMask) ? place.Handle : null;
    }

    /// <summary>The handles in the table at this moment.</summary>
    public List<THandle> Snapshot()
    {
        var handles = new List<THandle>();
        for (int i = 0; i < _used; i++)
        {
            if (PlaceAt(i).Handle is { } handle)
            {
                handles.Add(handle);
            }
        }

        return handles;
    }

    private ref Place PlaceAt(int index) => ref _pages[index / PlacesPerPage][index % PlacesPerPage];

    [StructLayout(LayoutKind.Auto)]
    private struct Place
    {
        public THandle? Handle;
        public uint Generation;
        public int NextFree;
    }
}
