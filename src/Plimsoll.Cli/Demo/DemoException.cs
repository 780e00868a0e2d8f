namespace Plimsoll.Cli.Demo;

/// <summary>The demo cannot go on; the message is one sentence for the person who started it.</summary>
public sealed class DemoException(string message) : Exception(message);
