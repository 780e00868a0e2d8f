namespace Plimsoll.Simulation.Traces;

/// <summary>Requests that are alike and come at the same time.</summary>
/// <param name="At">Seconds.</param>
/// <param name="Count">How many, at least 1.</param>
/// <param name="Prompt">Tokens of each prompt.</param>
/// <param name="Answer">Tokens of each answer.</param>
internal readonly record struct RequestGroup(double At, int Count, int Prompt, int Answer);

/// <summary>Requests in groups, in the order of their arrival, of which none is kept.</summary>
internal interface IRequestStream
{
    /// <summary>The next group; false where no more come.</summary>
    bool TryNext(out RequestGroup group);
}
