namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>Tests that keep the machine busy, or whose users count the seconds: they run one after the other, when all others are done.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
