namespace Plimsoll.Cli.Load.Traces;

/// <summary>One request of a trace.</summary>
/// <param name="At">Since the trace's first request.</param>
/// <param name="Model">Its model where the trace names one; null otherwise.</param>
/// <param name="Tokens">Its size: tokens of context.</param>
public readonly record struct TraceRequest(TimeSpan At, string? Model, int Tokens);
