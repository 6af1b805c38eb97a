using Toolkit.Tests.Contracts;

// The contracts, on an io_uring that is short of everything. Those that make no I/O have nothing to say to it,
// and those that stand above transports nothing that these do not.
namespace Toolkit.Tests.Backends;

public sealed class TightUringBufferedProtocolTests() : BufferedProtocolContract(LoopUnderTest.TightUring);

public sealed class TightUringConnectTests() : ConnectContract(LoopUnderTest.TightUring);

public sealed class TightUringEchoTests() : EchoContract(LoopUnderTest.TightUring);

public sealed class TightUringLoopThreadsTests() : LoopThreadsContract(LoopUnderTest.TightUring);

public sealed class TightUringReadinessTests() : ReadinessContract(LoopUnderTest.TightUring);

public sealed class TightUringLoopSocketTests() : LoopSocketContract(LoopUnderTest.TightUring);

public sealed class TightUringLoopWatchTests() : LoopWatchContract(LoopUnderTest.TightUring);

public sealed class TightUringReentrancyMatrixTests() : ReentrancyMatrixContract(LoopUnderTest.TightUring);

public sealed class TightUringSeamTests() : SeamContract(LoopUnderTest.TightUring);

public sealed class TightUringServerTests() : ServerContract(LoopUnderTest.TightUring);

public sealed class TightUringSoakTests() : SoakContract(LoopUnderTest.TightUring);

public sealed class TightUringTcpCloseTests() : TcpCloseContract(LoopUnderTest.TightUring);

public sealed class TightUringTcpFaultTests() : TcpFaultContract(LoopUnderTest.TightUring);

public sealed class TightUringTcpFlowControlTests() : TcpFlowControlContract(LoopUnderTest.TightUring);

public sealed class TightUringTcpStreamTests() : TcpStreamContract(LoopUnderTest.TightUring);

public sealed class TightUringLayerTests() : LayerContract(LoopUnderTest.TightUring);
