using Toolkit.Tests.Contracts;

// The contracts, on io_uring: as it is, and on a ring of whole buffers.
namespace Toolkit.Tests.Backends;

public sealed class UringAdoptionTests() : AdoptionContract(LoopKind.Uring);

public sealed class UringAllocationTests() : AllocationContract(LoopKind.Uring);

public sealed class UringBufferedProtocolTests() : BufferedProtocolContract(LoopKind.Uring);

public sealed class UringConnectTests() : ConnectContract(LoopKind.Uring);

public sealed class UringDatagramAllocationTests() : DatagramAllocationContract(LoopKind.Uring);

public sealed class UringDatagramSeamTests() : DatagramSeamContract(LoopKind.Uring);

public sealed class UringDatagramSystemTests() : DatagramSystemContract(LoopKind.Uring);

public sealed class UringDatagramTests() : DatagramContract(LoopKind.Uring);

public sealed class UringEchoTests() : EchoContract(LoopKind.Uring);

public sealed class UringLoopDebugTests() : LoopDebugContract(LoopKind.Uring);

public sealed class UringLoopFacesTests() : LoopFacesContract(LoopKind.Uring);

public sealed class UringLoopRunningTests() : LoopRunningContract(LoopKind.Uring);

public sealed class UringLoopSchedulingTests() : LoopSchedulingContract(LoopKind.Uring);

public sealed class UringLoopThreadsTests() : LoopThreadsContract(LoopKind.Uring);

public sealed class UringNamesTests() : NamesContract(LoopKind.Uring);

public sealed class UringNetworkFaultTests() : NetworkFaultContract(LoopKind.Uring);

public sealed class UringPipeTests() : PipeContract(LoopKind.Uring);

public sealed class UringReadinessTests() : ReadinessContract(LoopKind.Uring);

public sealed class UringReconnectingTests() : ReconnectingContract(LoopKind.Uring);

public sealed class UringLoopSocketTests() : LoopSocketContract(LoopKind.Uring);

public sealed class UringLoopWatchTests() : LoopWatchContract(LoopKind.Uring);

public sealed class UringReentrancyMatrixTests() : ReentrancyMatrixContract(LoopKind.Uring);

public sealed class UringSeamTests() : SeamContract(LoopKind.Uring);

public sealed class UringServerTests() : ServerContract(LoopKind.Uring);

public sealed class UringServerDrainTests() : ServerDrainContract(LoopKind.Uring);

public sealed class UringServerInputTests() : ServerInputContract(LoopKind.Uring);

public sealed class UringServiceAddressTests() : ServiceAddressContract(LoopKind.Uring);

public sealed class UringSignalsTests() : SignalsContract(LoopKind.Uring);

public sealed class UringSoakTests() : SoakContract(LoopKind.Uring);

public sealed class UringServerLimitTests() : ServerLimitContract(LoopKind.Uring);

public sealed class UringServerPauseTests() : ServerPauseContract(LoopKind.Uring);

public sealed class UringSubprocessTests() : SubprocessContract(LoopKind.Uring);

public sealed class UringTcpCloseTests() : TcpCloseContract(LoopKind.Uring);

public sealed class UringTcpFaultTests() : TcpFaultContract(LoopKind.Uring);

public sealed class UringTcpFlowControlTests() : TcpFlowControlContract(LoopKind.Uring);

public sealed class UringTcpStreamTests() : TcpStreamContract(LoopKind.Uring);

public sealed class WholeBufferUringBufferedProtocolTests() : BufferedProtocolContract(LoopUnderTest.WholeBufferUring);

public sealed class WholeBufferUringEchoTests() : EchoContract(LoopUnderTest.WholeBufferUring);

public sealed class WholeBufferUringReadinessTests() : ReadinessContract(LoopUnderTest.WholeBufferUring);

public sealed class WholeBufferUringReentrancyMatrixTests() : ReentrancyMatrixContract(LoopUnderTest.WholeBufferUring);

public sealed class WholeBufferUringSeamTests() : SeamContract(LoopUnderTest.WholeBufferUring);

public sealed class WholeBufferUringTcpStreamTests() : TcpStreamContract(LoopUnderTest.WholeBufferUring);

public sealed class UringRelayTests() : RelayContract(LoopKind.Uring);

public sealed class UringStreamConnectionTests() : StreamConnectionContract(LoopKind.Uring);

public sealed class UringStreamServerTests() : StreamServerContract(LoopKind.Uring);

public sealed class UringStartTlsTests() : StartTlsContract(LoopKind.Uring);

public sealed class UringTlsHandshakeTests() : TlsHandshakeContract(LoopKind.Uring);

public sealed class UringTlsTests() : TlsContract(LoopKind.Uring);

public sealed class UringHandlePassingTests() : HandlePassingContract(LoopKind.Uring);

public sealed class UringUnixSocketTests() : UnixSocketContract(LoopKind.Uring);

public sealed class UringSendFileTests() : SendFileContract(LoopKind.Uring);

public sealed class UringDiagnosticsTests() : DiagnosticsContract(LoopKind.Uring);

public sealed class UringLayerTests() : LayerContract(LoopKind.Uring);
