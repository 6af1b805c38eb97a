using Toolkit.Tests.Contracts;

// The contracts, with everything happening that the seam allows, except errors: those are the business of ErrorInjectionTests.
// What stands above transports sees no more of io_uring than of epoll, and is not joined once more.
namespace Toolkit.Tests.Backends;

public sealed class ChaosEpollAdoptionTests() : AdoptionContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosUringAdoptionTests() : AdoptionContract(LoopUnderTest.ChaosUring);

public sealed class ChaosEpollBufferedProtocolTests() : BufferedProtocolContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosUringBufferedProtocolTests() : BufferedProtocolContract(LoopUnderTest.ChaosUring);

public sealed class ChaosSimulatedBufferedProtocolTests() : BufferedProtocolContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollConnectTests() : ConnectContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosUringConnectTests() : ConnectContract(LoopUnderTest.ChaosUring);

public sealed class ChaosSimulatedConnectTests() : ConnectContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollDatagramSeamTests() : DatagramSeamContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosSimulatedDatagramSeamTests() : DatagramSeamContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollDatagramTests() : DatagramContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosSimulatedDatagramTests() : DatagramContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollEchoTests() : EchoContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosUringEchoTests() : EchoContract(LoopUnderTest.ChaosUring);

public sealed class ChaosSimulatedEchoTests() : EchoContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollNamesTests() : NamesContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosSimulatedNamesTests() : NamesContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollPipeTests() : PipeContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosSimulatedPipeTests() : PipeContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollReadinessTests() : ReadinessContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosUringReadinessTests() : ReadinessContract(LoopUnderTest.ChaosUring);

public sealed class ChaosSimulatedReadinessTests() : ReadinessContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosSimulatedReconnectingTests() : ReconnectingContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollLoopSocketTests() : LoopSocketContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosUringLoopSocketTests() : LoopSocketContract(LoopUnderTest.ChaosUring);

public sealed class ChaosSimulatedLoopSocketTests() : LoopSocketContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollLoopWatchTests() : LoopWatchContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosEpollReentrancyMatrixTests() : ReentrancyMatrixContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosUringReentrancyMatrixTests() : ReentrancyMatrixContract(LoopUnderTest.ChaosUring);

public sealed class ChaosSimulatedReentrancyMatrixTests() : ReentrancyMatrixContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollSeamTests() : SeamContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosUringSeamTests() : SeamContract(LoopUnderTest.ChaosUring);

public sealed class ChaosSimulatedSeamTests() : SeamContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollServerTests() : ServerContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosSimulatedServerTests() : ServerContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollServerDrainTests() : ServerDrainContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosSimulatedServerDrainTests() : ServerDrainContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollServerLimitTests() : ServerLimitContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosSimulatedServerLimitTests() : ServerLimitContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollServerPauseTests() : ServerPauseContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosSimulatedServerPauseTests() : ServerPauseContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollSubprocessTests() : SubprocessContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosEpollTcpCloseTests() : TcpCloseContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosUringTcpCloseTests() : TcpCloseContract(LoopUnderTest.ChaosUring);

public sealed class ChaosSimulatedTcpCloseTests() : TcpCloseContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollTcpFaultTests() : TcpFaultContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosUringTcpFaultTests() : TcpFaultContract(LoopUnderTest.ChaosUring);

public sealed class ChaosSimulatedTcpFaultTests() : TcpFaultContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollTcpFlowControlTests() : TcpFlowControlContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosUringTcpFlowControlTests() : TcpFlowControlContract(LoopUnderTest.ChaosUring);

public sealed class ChaosSimulatedTcpFlowControlTests() : TcpFlowControlContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollTcpStreamTests() : TcpStreamContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosUringTcpStreamTests() : TcpStreamContract(LoopUnderTest.ChaosUring);

public sealed class ChaosSimulatedTcpStreamTests() : TcpStreamContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollRelayTests() : RelayContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosSimulatedRelayTests() : RelayContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollStreamConnectionTests() : StreamConnectionContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosSimulatedStreamConnectionTests() : StreamConnectionContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollStreamServerTests() : StreamServerContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosSimulatedStreamServerTests() : StreamServerContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollStartTlsTests() : StartTlsContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosEpollTlsTests() : TlsContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosSimulatedStartTlsTests() : StartTlsContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosSimulatedTlsTests() : TlsContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosSimulatedTlsStreamTests() : TcpStreamContract(LoopUnderTest.ChaosSimulated.OverTls());

public sealed class ChaosSimulatedTlsCloseTests() : TcpCloseContract(LoopUnderTest.ChaosSimulated.OverTls());

public sealed class ChaosSimulatedTlsFlowControlTests() : TcpFlowControlContract(LoopUnderTest.ChaosSimulated.OverTls());

public sealed class ChaosEpollHandlePassingTests() : HandlePassingContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosSimulatedServiceAddressTests() : ServiceAddressContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosSimulatedUnixSocketTests() : UnixSocketContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollSendFileTests() : SendFileContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosUringSendFileTests() : SendFileContract(LoopUnderTest.ChaosUring);

public sealed class ChaosSimulatedSendFileTests() : SendFileContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollDiagnosticsTests() : DiagnosticsContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosSimulatedDiagnosticsTests() : DiagnosticsContract(LoopUnderTest.ChaosSimulated);

public sealed class ChaosEpollLayerTests() : LayerContract(LoopUnderTest.ChaosEpoll);

public sealed class ChaosUringLayerTests() : LayerContract(LoopUnderTest.ChaosUring);

public sealed class ChaosSimulatedLayerTests() : LayerContract(LoopUnderTest.ChaosSimulated);
