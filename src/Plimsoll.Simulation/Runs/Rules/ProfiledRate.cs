using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Runs.Rules;

/// <summary>What an offline benchmark of one replica says: the most requests a second of one size within the objective.</summary>
internal static class ProfiledRate
{
    /// <summary>
    /// With b requests at once, a prompt takes p seconds alone and a step of b sequences d: in the time of one request's share, p + answers·d / b,
    /// one more request comes through, and a token takes d + b·p / answers as prompts come between. The largest b that keeps the objective and
    /// memory; 0 where none does.
    /// </summary>
    public static double PerSecond(ReplicaProfile profile, int concurrency, Slo slo, double prompt, double answer)
    {
        var limits = profile.Limits;
        var full = Math.Floor(prompt / limits.StepTokens);
        var rest = prompt - full * limits.StepTokens;
        var prefill = full * profile.StepSeconds(StepBatch.Prefill(1, limits.StepTokens)) + (rest >= 1 ? profile.StepSeconds(StepBatch.Prefill(1, rest)) : 0);
        if (slo.TimeToFirstToken is { } first && prefill > first.TotalSeconds) return 0;
        answer = Math.Max(1, answer);
        var room = limits.Blocks * (double)limits.BlockTokens / (prompt + answer);
        var most = (int)Math.Min(Math.Min(concurrency, limits.Sequences), Math.Max(1, room));
        for (var batch = most; batch >= 1; batch--)
        {
            var step = profile.StepSeconds(StepBatch.Decode(batch, prompt + answer / 2));
            var token = step + batch * prefill / answer;
            var within = (slo.TimePerOutputToken is not { } each || token <= each.TotalSeconds) && prefill + answer * token <= slo.Latency.TotalSeconds;
            if (within) return 1 / (prefill + answer * step / batch);
        }

        return 0;
    }
}
