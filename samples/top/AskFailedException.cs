namespace Toolkit.Samples.Top;

/// <summary>There is nothing to show; the message says why, in a line.</summary>
internal sealed class AskFailedException(string message) : Exception(message);
