using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll;

/// <summary>Single changes that make a variant fit, the nearest first: what costs nothing before what costs devices.</summary>
internal static class NearestChange
{
    /// <summary>Contexts are proposed in steps of this many tokens.</summary>
    private const long ContextStep = 256;

    /// <summary>The largest fraction proposed: beyond it, graphs and the context seldom find room.</summary>
    private const double HighestFraction = 0.95;

    public static ImmutableArray<FitChange> Of(
        Footprint footprint, ServingVariant asked, FitReport report, IReadOnlyList<Accelerator> others,
        FitCoefficients fitted)
    {
        var variant = report.Variant;
        var found = ImmutableArray.CreateBuilder<FitChange>();
        if (report.Failure!.Term != "shape")
        {
            if (report.Failure.Term == "fraction") TrySmallerFraction(footprint, asked, variant, fitted, found);
            else TryFraction(footprint, asked, variant, fitted, found);
            TryKvDtype(footprint, asked, fitted, found);
            TryContext(footprint, asked, variant, fitted, found);
            TryConcurrency(footprint, asked, fitted, found);
        }
        else
        {
            TryFewerRanks(footprint, asked, fitted, found);
        }

        TrySplit(footprint, asked, fitted, found);
        TryDevice(footprint, asked, others, fitted, found);
        return found.ToImmutable();
    }

    private static bool Fits(Footprint footprint, ServingVariant variant, FitCoefficients fitted) =>
        Fit.Evaluate(footprint, variant, fitted).Fits;

    private static void TryFraction(
        Footprint footprint, ServingVariant asked, ServingVariant resolved, FitCoefficients fitted,
        ImmutableArray<FitChange>.Builder found)
    {
        if (resolved.MemoryFraction >= HighestFraction || resolved.Engine.Kind is EngineKind.LlamaCpp or EngineKind.OnnxRuntime)
            return;
        for (var hundredths = (int)(resolved.MemoryFraction!.Value * 100) + 1; hundredths <= 95; hundredths++)
        {
            var changed = asked with { MemoryFraction = hundredths / 100.0 };
            if (!Fits(footprint, changed, fitted)) continue;
            found.Add(new FitChange(Text($"a memory fraction of {hundredths / 100.0:0.00}"), changed));
            return;
        }
    }

    /// <summary>Where the engine cannot have so much: the most that it can and that does, in hundredths.</summary>
    private static void TrySmallerFraction(
        Footprint footprint, ServingVariant asked, ServingVariant resolved, FitCoefficients fitted,
        ImmutableArray<FitChange>.Builder found)
    {
        for (var hundredths = (int)Math.Ceiling(resolved.MemoryFraction!.Value * 100) - 1; hundredths >= 1; hundredths--)
        {
            var changed = asked with { MemoryFraction = hundredths / 100.0 };
            if (!Fits(footprint, changed, fitted)) continue;
            found.Add(new FitChange(Text($"a memory fraction of {hundredths / 100.0:0.00}"), changed));
            return;
        }
    }

    private static void TryKvDtype(
        Footprint footprint, ServingVariant asked, FitCoefficients fitted, ImmutableArray<FitChange>.Builder found)
    {
        if (asked.KvDtype is not ("auto" or "bfloat16" or "float16" or "float32")) return;
        var changed = asked with { KvDtype = asked.Engine.Kind == EngineKind.LlamaCpp ? "q8_0" : "fp8" };
        if (Fits(footprint, changed, fitted)) found.Add(new FitChange($"keys and values in {changed.KvDtype}", changed));
    }

    /// <summary>The longest context that fits, by bisection: a longer one never needs less.</summary>
    private static void TryContext(
        Footprint footprint, ServingVariant asked, ServingVariant resolved, FitCoefficients fitted,
        ImmutableArray<FitChange>.Builder found)
    {
        var most = ContextStep * Bisection.Most(
            resolved.Context / ContextStep, steps => Fits(footprint, asked with { Context = steps * ContextStep }, fitted));
        if (most == 0 || most >= resolved.Context) return;
        found.Add(new FitChange(Text($"a context of {most:N0} instead of {resolved.Context:N0}"), asked with { Context = most }));
    }

    private static void TryConcurrency(
        Footprint footprint, ServingVariant asked, FitCoefficients fitted, ImmutableArray<FitChange>.Builder found)
    {
        var most = (int)Bisection.Most(asked.Concurrency, sequences => Fits(footprint, asked with { Concurrency = (int)sequences }, fitted));
        if (most == 0 || most == asked.Concurrency) return;
        found.Add(new FitChange(Text($"{most:N0} at once instead of {asked.Concurrency:N0}"), asked with { Concurrency = most }));
    }

    /// <summary>Where a model does not divide over so many ranks: the most, fewer than those, over which it does and fits.</summary>
    private static void TryFewerRanks(
        Footprint footprint, ServingVariant asked, FitCoefficients fitted, ImmutableArray<FitChange>.Builder found)
    {
        for (var t = Math.Min(asked.TensorParallel - 1, 64); t >= 1; t--)
        {
            var changed = asked.Over(t);
            if (!Fits(footprint, changed, fitted)) continue;
            found.Add(new FitChange(t == 1 ? "one tensor-parallel rank" : $"tensor parallelism over {t} devices", changed));
            return;
        }
    }

    /// <summary>The next larger tensor-parallel size that fits, then pipeline.</summary>
    private static void TrySplit(
        Footprint footprint, ServingVariant asked, FitCoefficients fitted, ImmutableArray<FitChange>.Builder found)
    {
        // Slices of devices have no link between them, and engines do not join them.
        if (asked.Device.SliceOf is not null) return;
        for (var t = Math.Clamp(asked.TensorParallel, 1, 64) + 1; t <= 64; t++)
        {
            var changed = asked.Over(t);
            if (t > SmallestShapes.LargestTensorParallel(asked.Device) || !Fits(footprint, changed, fitted)) continue;
            found.Add(new FitChange($"tensor parallelism over {t} devices", changed));
            return;
        }

        for (var p = Math.Clamp(asked.PipelineParallel, 1, 64) + 1; p <= 64; p++)
        {
            var changed = asked with { PipelineParallel = p };
            if (!Fits(footprint, changed, fitted)) continue;
            var each = asked.TensorParallel > 1 ? $"{asked.TensorParallel} devices" : "one device";
            found.Add(new FitChange($"{p} pipeline stages of {each}", changed));
            return;
        }
    }

    private static void TryDevice(
        Footprint footprint, ServingVariant asked, IReadOnlyList<Accelerator> others, FitCoefficients fitted,
        ImmutableArray<FitChange>.Builder found)
    {
        foreach (var device in others.Where(device => device.Memory > asked.Device.Memory)
                     .OrderBy(device => device.Memory).ThenBy(device => device.Name, StringComparer.Ordinal))
        {
            var changed = asked with { Device = device };
            if (!Fits(footprint, changed, fitted)) continue;
            found.Add(new FitChange($"{device.Name} instead of {asked.Device.Name}", changed));
            return;
        }
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
