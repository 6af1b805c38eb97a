using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Toolkit.Backends.Linux;

/// <summary>Linux's error numbers, and the one place where they become <see cref="SocketError"/>s.</summary>
internal static class Errno
{
    public const int NotPermitted = 1;
    public const int Interrupted = 4;
    public const int InputOutput = 5;
    public const int BadDescriptor = 9;
    public const int Again = 11;
    public const int OutOfMemory = 12;
    public const int AccessDenied = 13;
    public const int Fault = 14;
    public const int Busy = 16;
    public const int Exists = 17;
    public const int NoEntry = 2;
    public const int NotDirectory = 20;
    public const int Invalid = 22;
    public const int TooManyFilesInSystem = 23;
    public const int TooManyFiles = 24;
    public const int NoSpace = 28;
    public const int ReadOnlyFileSystem = 30;
    public const int BrokenPipe = 32;
    public const int NoSystemCall = 38;
    public const int TimerExpired = 62;
    public const int Protocol = 71;
    public const int NotSocket = 88;
    public const int WrongProtocolType = 91;
    public const int NoProtocolOption = 92;
    public const int ProtocolNotSupported = 93;
    public const int OperationNotSupported = 95;
    public const int AddressFamilyNotSupported = 97;
    public const int AddressInUse = 98;
    public const int AddressNotAvailable = 99;
    public const int NetworkDown = 100;
    public const int NetworkUnreachable = 101;
    public const int NetworkReset = 102;
    public const int ConnectionAborted = 103;
    public const int ConnectionReset = 104;
    public const int NoBuffers = 105;
    public const int IsConnected = 106;
    public const int NotConnected = 107;
    public const int TooManyReferences = 109;
    public const int TimedOut = 110;
    public const int ConnectionRefused = 111;
    public const int HostDown = 112;
    public const int HostUnreachable = 113;
    public const int Already = 114;
    public const int InProgress = 115;
    public const int Canceled = 125;

    /// <summary>The error of the system call that failed just now on this thread.</summary>
    public static int Last => Marshal.GetLastSystemError();

    public static SocketError ToSocketError(int errno) => errno switch
    {
        0 => SocketError.Success,
        Again => SocketError.WouldBlock,
        Interrupted => SocketError.Interrupted,
        NotPermitted or AccessDenied or ReadOnlyFileSystem => SocketError.AccessDenied,
        BadDescriptor => SocketError.OperationAborted,
        OutOfMemory or NoBuffers or NoSpace => SocketError.NoBufferSpaceAvailable,
        Fault => SocketError.Fault,
        Invalid => SocketError.InvalidArgument,
        TooManyFiles or TooManyFilesInSystem or TooManyReferences => SocketError.TooManyOpenSockets,
        BrokenPipe => SocketError.Shutdown,
        NotSocket => SocketError.NotSocket,
        WrongProtocolType => SocketError.ProtocolType,
        NoProtocolOption => SocketError.ProtocolOption,
        Protocol or ProtocolNotSupported => SocketError.ProtocolNotSupported,
        OperationNotSupported => SocketError.OperationNotSupported,
        AddressFamilyNotSupported => SocketError.AddressFamilyNotSupported,
        AddressInUse => SocketError.AddressAlreadyInUse,
        AddressNotAvailable or NoEntry or NotDirectory => SocketError.AddressNotAvailable, // as .NET has it, of Unix paths
        NetworkDown => SocketError.NetworkDown,
        NetworkUnreachable => SocketError.NetworkUnreachable,
        NetworkReset => SocketError.NetworkReset,
        ConnectionAborted => SocketError.ConnectionAborted,
        ConnectionReset => SocketError.ConnectionReset,
        IsConnected => SocketError.IsConnected,
        NotConnected => SocketError.NotConnected,
        TimedOut => SocketError.TimedOut,
        ConnectionRefused => SocketError.ConnectionRefused,
        HostDown => SocketError.HostDown,
        HostUnreachable => SocketError.HostUnreachable,
        Already => SocketError.AlreadyInProgress,
        InProgress => SocketError.InProgress,
        NoSystemCall => SocketError.OperationNotSupported,
        _ => SocketError.SocketError,
    };
}
