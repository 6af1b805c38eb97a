using Toolkit.Tests.Contracts;

// The contracts, on .NET's own sockets.
namespace Toolkit.Tests.Backends;

public sealed class PortableAdoptionTests() : AdoptionContract(LoopKind.Portable);

public sealed class PortableAllocationTests() : AllocationContract(LoopKind.Portable);

public sealed class PortableBufferedProtocolTests() : BufferedProtocolContract(LoopKind.Portable);

public sealed class PortableCloseOnExecTests() : CloseOnExecContract(LoopKind.Portable);

public sealed class PortableConnectTests() : ConnectContract(LoopKind.Portable);

public sealed class PortableDatagramAllocationTests() : DatagramAllocationContract(LoopKind.Portable);

public sealed class PortableDatagramSeamTests() : DatagramSeamContract(LoopKind.Portable);

public sealed class PortableDatagramSystemTests() : DatagramSystemContract(LoopKind.Portable);

public sealed class PortableDatagramTests() : DatagramContract(LoopKind.Portable);

public sealed class PortableEchoTests() : EchoContract(LoopKind.Portable);

public sealed class PortableLoopDebugTests() : LoopDebugContract(LoopKind.Portable);

public sealed class PortableLoopFacesTests() : LoopFacesContract(LoopKind.Portable);

public sealed class PortableLoopRunningTests() : LoopRunningContract(LoopKind.Portable);

public sealed class PortableLoopSchedulingTests() : LoopSchedulingContract(LoopKind.Portable);

public sealed class PortableLoopThreadsTests() : LoopThreadsContract(LoopKind.Portable);

public sealed class PortableNamesTests() : NamesContract(LoopKind.Portable);

public sealed class PortableNetworkFaultTests() : NetworkFaultContract(LoopKind.Portable);

public sealed class PortableFrameworkSubprocessTests() : SubprocessContract(LoopKind.Portable, SpawnMethod.Framework);

public sealed class PortablePipeStreamTests() : PipeStreamContract(LoopKind.Portable);

public sealed class PortablePipeTests() : PipeContract(LoopKind.Portable);

public sealed class PortableReadinessTests() : ReadinessContract(LoopKind.Portable);

public sealed class PortableReconnectingTests() : ReconnectingContract(LoopKind.Portable);

public sealed class PortableLoopSocketTests() : LoopSocketContract(LoopKind.Portable);

public sealed class PortableLoopWatchTests() : LoopWatchContract(LoopKind.Portable);

public sealed class PortableReentrancyMatrixTests() : ReentrancyMatrixContract(LoopKind.Portable);

public sealed class PortableSeamTests() : SeamContract(LoopKind.Portable);

public sealed class PortableServerTests() : ServerContract(LoopKind.Portable);

public sealed class PortableServerDrainTests() : ServerDrainContract(LoopKind.Portable);

public sealed class PortableServerInputTests() : ServerInputContract(LoopKind.Portable);

public sealed class PortableServiceAddressTests() : ServiceAddressContract(LoopKind.Portable);

public sealed class PortableSignalsTests() : SignalsContract(LoopKind.Portable);

public sealed class PortableSoakTests() : SoakContract(LoopKind.Portable);

public sealed class PortableServerLimitTests() : ServerLimitContract(LoopKind.Portable);

public sealed class PortableServerPauseTests() : ServerPauseContract(LoopKind.Portable);

public sealed class PortableSubprocessTests() : SubprocessContract(LoopKind.Portable);

public sealed class PortableTcpCloseTests() : TcpCloseContract(LoopKind.Portable);

public sealed class PortableTcpFaultTests() : TcpFaultContract(LoopKind.Portable);

public sealed class PortableTcpFlowControlTests() : TcpFlowControlContract(LoopKind.Portable);

public sealed class PortableTcpStreamTests() : TcpStreamContract(LoopKind.Portable);

public sealed class PortableRelayTests() : RelayContract(LoopKind.Portable);

public sealed class PortableStreamConnectionTests() : StreamConnectionContract(LoopKind.Portable);

public sealed class PortableStreamServerTests() : StreamServerContract(LoopKind.Portable);

public sealed class PortableStartTlsTests() : StartTlsContract(LoopKind.Portable);

public sealed class PortableTlsHandshakeTests() : TlsHandshakeContract(LoopKind.Portable);

public sealed class PortableTlsTests() : TlsContract(LoopKind.Portable);

public sealed class PortableHandlePassingTests() : HandlePassingContract(LoopKind.Portable);

public sealed class PortableUnixSocketTests() : UnixSocketContract(LoopKind.Portable);

public sealed class PortableSendFileTests() : SendFileContract(LoopKind.Portable);

public sealed class PortableDiagnosticsTests() : DiagnosticsContract(LoopKind.Portable);

public sealed class PortableLayerTests() : LayerContract(LoopKind.Portable);
