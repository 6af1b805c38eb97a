using Toolkit.Tests.Contracts;

// The contracts, on a simulated loop. What is only about the machine's kernel, or about threads, has nothing to say to it.
namespace Toolkit.Tests.Backends;

public sealed class SimulatedAdoptionTests() : AdoptionContract(LoopKind.Simulated);

public sealed class SimulatedBufferedProtocolTests() : BufferedProtocolContract(LoopKind.Simulated);

public sealed class SimulatedConnectTests() : ConnectContract(LoopKind.Simulated);

public sealed class SimulatedDatagramSeamTests() : DatagramSeamContract(LoopKind.Simulated);

public sealed class SimulatedDatagramTests() : DatagramContract(LoopKind.Simulated);

public sealed class SimulatedEchoTests() : EchoContract(LoopKind.Simulated);

public sealed class SimulatedLoopDebugTests() : LoopDebugContract(LoopKind.Simulated);

public sealed class SimulatedLoopFacesTests() : LoopFacesContract(LoopKind.Simulated);

public sealed class SimulatedLoopRunningTests() : LoopRunningContract(LoopKind.Simulated);

public sealed class SimulatedLoopSchedulingTests() : LoopSchedulingContract(LoopKind.Simulated);

public sealed class SimulatedNamesTests() : NamesContract(LoopKind.Simulated);

public sealed class SimulatedPipeTests() : PipeContract(LoopKind.Simulated);

public sealed class SimulatedReadinessTests() : ReadinessContract(LoopKind.Simulated);

public sealed class SimulatedReconnectingTests() : ReconnectingContract(LoopKind.Simulated);

public sealed class SimulatedLoopSocketTests() : LoopSocketContract(LoopKind.Simulated);

public sealed class SimulatedLoopWatchTests() : LoopWatchContract(LoopKind.Simulated);

public sealed class SimulatedReentrancyMatrixTests() : ReentrancyMatrixContract(LoopKind.Simulated);

public sealed class SimulatedSeamTests() : SeamContract(LoopKind.Simulated);

public sealed class SimulatedServerTests() : ServerContract(LoopKind.Simulated);

public sealed class SimulatedServerDrainTests() : ServerDrainContract(LoopKind.Simulated);

public sealed class SimulatedServerInputTests() : ServerInputContract(LoopKind.Simulated);

public sealed class SimulatedServerLimitTests() : ServerLimitContract(LoopKind.Simulated);

public sealed class SimulatedServerPauseTests() : ServerPauseContract(LoopKind.Simulated);

public sealed class SimulatedSubprocessTests() : SubprocessContract(LoopKind.Simulated);

public sealed class SimulatedTcpCloseTests() : TcpCloseContract(LoopKind.Simulated);

public sealed class SimulatedTcpFaultTests() : TcpFaultContract(LoopKind.Simulated);

public sealed class SimulatedTcpFlowControlTests() : TcpFlowControlContract(LoopKind.Simulated);

public sealed class SimulatedTcpStreamTests() : TcpStreamContract(LoopKind.Simulated);

public sealed class SimulatedRelayTests() : RelayContract(LoopKind.Simulated);

public sealed class SimulatedServiceAddressTests() : ServiceAddressContract(LoopKind.Simulated);

public sealed class SimulatedSignalsTests() : SignalsContract(LoopKind.Simulated);

public sealed class SimulatedStreamConnectionTests() : StreamConnectionContract(LoopKind.Simulated);

public sealed class SimulatedStreamServerTests() : StreamServerContract(LoopKind.Simulated);

public sealed class SimulatedStartTlsTests() : StartTlsContract(LoopKind.Simulated);

public sealed class SimulatedTlsHandshakeTests() : TlsHandshakeContract(LoopKind.Simulated);

public sealed class SimulatedTlsTests() : TlsContract(LoopKind.Simulated);

public sealed class SimulatedTlsStreamTests() : TcpStreamContract(LoopKind.Simulated.OverTls());

public sealed class SimulatedTlsCloseTests() : TcpCloseContract(LoopKind.Simulated.OverTls());

public sealed class SimulatedTlsFlowControlTests() : TcpFlowControlContract(LoopKind.Simulated.OverTls());

public sealed class SimulatedTlsBufferedProtocolTests() : BufferedProtocolContract(LoopKind.Simulated.OverTls());

public sealed class SimulatedTlsReentrancyMatrixTests() : ReentrancyMatrixContract(LoopKind.Simulated.OverTls());

public sealed class SimulatedLayerTests() : LayerContract(LoopKind.Simulated);

public sealed class SimulatedLayeredBufferedProtocolTests() : BufferedProtocolContract(LoopKind.Simulated.BehindBareLayers());

public sealed class SimulatedLayeredReentrancyMatrixTests() : ReentrancyMatrixContract(LoopKind.Simulated.BehindBareLayers());

public sealed class SimulatedAllLayersBufferedProtocolTests() : BufferedProtocolContract(LoopKind.Simulated.BehindAllLayers());

public sealed class SimulatedAllLayersOverTlsTests() : BufferedProtocolContract(LoopKind.Simulated.OverTls().BehindAllLayers());

public sealed class SimulatedAllLayersFlowControlTests() : TcpFlowControlContract(LoopKind.Simulated.BehindAllLayers());

public sealed class SimulatedAllLayersReentrancyMatrixTests() : ReentrancyMatrixContract(LoopKind.Simulated.BehindAllLayers());

public sealed class SimulatedAllLayersCloseTests() : TcpCloseContract(LoopKind.Simulated.BehindAllLayers());

public sealed class SimulatedHandlePassingTests() : HandlePassingContract(LoopKind.Simulated);

public sealed class SimulatedUnixSocketTests() : UnixSocketContract(LoopKind.Simulated);

public sealed class SimulatedSendFileTests() : SendFileContract(LoopKind.Simulated);

public sealed class SimulatedTlsSendFileTests() : SendFileContract(LoopKind.Simulated.OverTls());

public sealed class SimulatedDiagnosticsTests() : DiagnosticsContract(LoopKind.Simulated);
