using Toolkit.Tests.Contracts;

// The contracts, on epoll.
namespace Toolkit.Tests.Backends;

public sealed class EpollAdoptionTests() : AdoptionContract(LoopKind.Epoll);

public sealed class EpollAllocationTests() : AllocationContract(LoopKind.Epoll);

public sealed class EpollBufferedProtocolTests() : BufferedProtocolContract(LoopKind.Epoll);

public sealed class EpollCloseOnExecTests() : CloseOnExecContract(LoopKind.Epoll);

public sealed class EpollConnectTests() : ConnectContract(LoopKind.Epoll);

public sealed class EpollDatagramAllocationTests() : DatagramAllocationContract(LoopKind.Epoll);

public sealed class EpollDatagramSeamTests() : DatagramSeamContract(LoopKind.Epoll);

public sealed class EpollDatagramSystemTests() : DatagramSystemContract(LoopKind.Epoll);

public sealed class EpollDatagramTests() : DatagramContract(LoopKind.Epoll);

public sealed class EpollEchoTests() : EchoContract(LoopKind.Epoll);

public sealed class EpollLoopDebugTests() : LoopDebugContract(LoopKind.Epoll);

public sealed class EpollLoopFacesTests() : LoopFacesContract(LoopKind.Epoll);

public sealed class EpollLoopRunningTests() : LoopRunningContract(LoopKind.Epoll);

public sealed class EpollLoopSchedulingTests() : LoopSchedulingContract(LoopKind.Epoll);

public sealed class EpollLoopThreadsTests() : LoopThreadsContract(LoopKind.Epoll);

public sealed class EpollNamesTests() : NamesContract(LoopKind.Epoll);

public sealed class EpollNetworkFaultTests() : NetworkFaultContract(LoopKind.Epoll);

public sealed class EpollPipeStreamTests() : PipeStreamContract(LoopKind.Epoll);

public sealed class EpollPipeTests() : PipeContract(LoopKind.Epoll);

public sealed class EpollReadinessTests() : ReadinessContract(LoopKind.Epoll);

public sealed class EpollReconnectingTests() : ReconnectingContract(LoopKind.Epoll);

public sealed class EpollLoopSocketTests() : LoopSocketContract(LoopKind.Epoll);

public sealed class EpollLoopWatchTests() : LoopWatchContract(LoopKind.Epoll);

public sealed class EpollReentrancyMatrixTests() : ReentrancyMatrixContract(LoopKind.Epoll);

public sealed class EpollSeamTests() : SeamContract(LoopKind.Epoll);

public sealed class EpollServerTests() : ServerContract(LoopKind.Epoll);

public sealed class EpollServerDrainTests() : ServerDrainContract(LoopKind.Epoll);

public sealed class EpollServerInputTests() : ServerInputContract(LoopKind.Epoll);

public sealed class EpollServiceAddressTests() : ServiceAddressContract(LoopKind.Epoll);

public sealed class EpollSignalsTests() : SignalsContract(LoopKind.Epoll);

public sealed class EpollSoakTests() : SoakContract(LoopKind.Epoll);

public sealed class EpollServerLimitTests() : ServerLimitContract(LoopKind.Epoll);

public sealed class EpollServerPauseTests() : ServerPauseContract(LoopKind.Epoll);

public sealed class EpollSubprocessTests() : SubprocessContract(LoopKind.Epoll);

public sealed class EpollTcpCloseTests() : TcpCloseContract(LoopKind.Epoll);

public sealed class EpollTcpFaultTests() : TcpFaultContract(LoopKind.Epoll);

public sealed class EpollTcpFlowControlTests() : TcpFlowControlContract(LoopKind.Epoll);

public sealed class EpollTcpStreamTests() : TcpStreamContract(LoopKind.Epoll);

public sealed class EpollRelayTests() : RelayContract(LoopKind.Epoll);

public sealed class EpollStreamConnectionTests() : StreamConnectionContract(LoopKind.Epoll);

public sealed class EpollStreamServerTests() : StreamServerContract(LoopKind.Epoll);

public sealed class EpollStartTlsTests() : StartTlsContract(LoopKind.Epoll);

public sealed class EpollTlsHandshakeTests() : TlsHandshakeContract(LoopKind.Epoll);

public sealed class EpollTlsTests() : TlsContract(LoopKind.Epoll);

public sealed class EpollTlsStreamTests() : TcpStreamContract(LoopKind.Epoll.OverTls());

public sealed class EpollTlsCloseTests() : TcpCloseContract(LoopKind.Epoll.OverTls());

public sealed class EpollHandlePassingTests() : HandlePassingContract(LoopKind.Epoll);

public sealed class EpollUnixSocketTests() : UnixSocketContract(LoopKind.Epoll);

public sealed class EpollUnixCloseTests() : TcpCloseContract(LoopUnderTest.EpollOverUnix);

public sealed class EpollUnixStreamTests() : TcpStreamContract(LoopUnderTest.EpollOverUnix);

public sealed class EpollSendFileTests() : SendFileContract(LoopKind.Epoll);

public sealed class EpollTlsSendFileTests() : SendFileContract(LoopKind.Epoll.OverTls());

public sealed class EpollUnixSendFileTests() : SendFileContract(LoopUnderTest.EpollOverUnix);

public sealed class EpollDiagnosticsTests() : DiagnosticsContract(LoopKind.Epoll);

public sealed class EpollLayerTests() : LayerContract(LoopKind.Epoll);

public sealed class EpollLayeredHandlePassingTests() : HandlePassingContract(LoopKind.Epoll.BehindBareLayers());

public sealed class EpollAllLayersHandlePassingTests() : HandlePassingContract(LoopKind.Epoll.BehindAllLayers());
