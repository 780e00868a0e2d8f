namespace Plimsoll.Prediction.Loads;

/// <summary>Loads of one thing, one after another: of a model on a machine, or of a container of a fleet.</summary>
internal sealed record LoadStream(string Name, Bytes Size, double[] Seconds);
