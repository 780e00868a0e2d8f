namespace Plimsoll.Cli.Load;

/// <summary>A request that is to be sent.</summary>
/// <param name="At">When, since the run's start; the latency is measured from here.</param>
/// <param name="Model">To which model.</param>
/// <param name="SequenceLength">Tokens it carries.</param>
public readonly record struct ScheduledRequest(TimeSpan At, ModelId Model, int SequenceLength);
