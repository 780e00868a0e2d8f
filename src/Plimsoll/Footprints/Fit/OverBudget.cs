namespace Plimsoll;

/// <summary>How what a device must hold stands to its budget, in words: of serving and of training alike.</summary>
internal static class OverBudget
{
    /// <summary>The term that first goes over when they are added in this order; the last where none does.</summary>
    public static string First(Bytes budget, params ReadOnlySpan<(string Name, Bytes Bytes)> terms)
    {
        var sum = Bytes.Zero;
        foreach (var (name, bytes) in terms)
        {
            sum += bytes;
            if (sum > budget) return name;
        }

        return terms[^1].Name;
    }

    /// <summary>"each device of stage 2 needs 90.0 GiB of 72.0 GiB: the KV cache goes over, 18.0 GiB too much".</summary>
    /// <param name="stages">Stages of the pipeline.</param>
    /// <param name="devices">Devices of all.</param>
    /// <param name="stage">The worst stage, from 0.</param>
    /// <param name="total">What its devices need.</param>
    /// <param name="budget">What they have.</param>
    /// <param name="over">The term that first goes over.</param>
    public static string Sentence(int stages, long devices, int stage, Bytes total, Bytes budget, string over)
    {
        var where = stages > 1 ? FormattableString.Invariant($"each device of stage {stage + 1} needs") : devices > 1 ? "each device needs" : "the device needs";
        return total <= budget
            ? FormattableString.Invariant($"{where} {total} of {budget}, {budget - total} left")
            : FormattableString.Invariant($"{where} {total} of {budget}: {Goes(over)}, {total - budget} too much");
    }

    private static string Goes(string term) => term switch
    {
        "weights" => "the weights alone go over",
        "overhead" => "the overhead goes over",
        "activation" => "the working set goes over",
        "kv" => "the KV cache goes over",
        "optimizer" => "the optimizer's state goes over",
        _ => $"the {term} go over",
    };
}
