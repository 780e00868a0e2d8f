using CsCheck;

namespace Plimsoll.Tests.Footprints;

/// <summary>What holds for every shape and variant.</summary>
public class FitPropertyTests
{
    private static readonly Gen<ModelShape> Shapes =
        from layers in Gen.Int[1, 40]
        from heads in Gen.Int[0, 3].Select(i => new[] { 1, 2, 4, 8 }[i])
        from window in Gen.Int[0, 2].Select(i => new int?[] { null, 512, 4096 }[i])
        from every in Gen.Int[1, 6]
        from tied in Gen.Bool
        from vocabulary in Gen.Int[1000, 260_000]
        select Shape(layers, heads, window, every, tied, vocabulary);

    private static readonly Gen<ServingVariant> Variants =
        from gib in Gen.Double[4, 141]
        from ranks in Gen.Int[0, 3].Select(i => new[] { 1, 2, 4, 8 }[i])
        from stages in Gen.Int[1, 4]
        from context in Gen.Long[1, 80_000]
        from concurrency in Gen.Int[1, 64]
        from fraction in Gen.Double[0.5, 1]
        from engine in Gen.Int[0, 6].Select(i => new[] { "vllm@0.19", "vllm@0.22", "vllm@0.7", "sglang", "tgi", "llama.cpp", "triton" }[i])
        select new ServingVariant
        {
            Device = HandShapes.Device("some", gib),
            TensorParallel = ranks,
            PipelineParallel = stages,
            Context = context,
            Concurrency = concurrency,
            MemoryFraction = fraction,
            Engine = ServingEngine.TryParse(engine, out var parsed) ? parsed : throw new InvalidOperationException(engine),
        };

    private static readonly Gen<(ModelShape Shape, ServingVariant Variant)> Cases = Gen.Select(Shapes, Variants);

    private static readonly int[] Ranks = [1, 2, 4, 8];

    private static ModelShape Shape(int layers, int heads, int? window, int every, bool tied, int vocabulary)
    {
        var llama = HandShapes.Llama31Shape();
        var layer = llama.Layers[0];
        var runs = new List<LayerRun>();
        for (var i = 0; i < layers; i++)
        {
            var cache = layer.Cache with { KvHeads = heads, Window = i % every == 0 ? null : window };
            runs.Add(layer with { First = i, Count = 1, Cache = cache });
        }

        return llama with
        {
            Layers = [.. runs],
            TiedEmbeddings = tied,
            VocabularySize = vocabulary,
            After = tied ? [llama.After[0]] : llama.After,
        };
    }

    [Fact]
    public void The_total_is_the_sum_of_its_terms_and_a_variant_fits_when_it_is_within_the_budget() =>
        Cases.Sample(Case =>
        {
            var report = Fit.Of(HandShapes.Of(Case.Shape), Case.Variant);
            foreach (var stage in report.Stages)
            {
                Assert.Equal(
                    stage.Weights.Bytes.Value + stage.Kv.Bytes.Value + stage.Activation.Bytes.Value + stage.Overhead.Bytes.Value,
                    stage.Total.Value);
                Assert.True(stage.Budget <= Case.Variant.Device.Memory);
            }

            if (report.Failure is { Term: "shape" or "fraction" or "context" }) return;
            Assert.Equal(report.PerDevice.Total <= report.PerDevice.Budget, report.Fits);
            Assert.Equal(report.Fits, report.Stages.All(stage => stage.Total <= stage.Budget));
            Assert.Equal(report.Fits, report.Failure is null);
        });

    [Fact]
    public void More_context_or_more_at_once_never_needs_less() =>
        Gen.Select(Cases, Gen.Long[0, 50_000], Gen.Int[0, 64]).Sample((Case, context, concurrency) =>
        {
            var footprint = HandShapes.Of(Case.Shape);
            // vLLM before 0.8 takes prompts beyond 32,768 tokens in chunks, so that its step then does need less.
            // As many sequences in one step whatever is asked for: engines that take that for their bound have no other.
            var variant = Case.Variant with { MaxBatchedTokens = Case.Variant.Engine.Version == new Version(0, 7) ? 4096 : null, MaxSequences = 1024 };
            var less = Fit.Of(footprint, variant);
            var more = Fit.Of(footprint, variant with
            {
                Context = Case.Variant.Context + context,
                Concurrency = Case.Variant.Concurrency + concurrency,
            });
            Assert.True(more.PerDevice.Headroom <= less.PerDevice.Headroom);
            Assert.True(more.MaxConcurrency <= less.MaxConcurrency);
        });

    [Fact]
    public void Twice_the_ranks_never_hold_more_weights_or_keys_each() =>
        Cases.Sample(Case =>
        {
            var footprint = HandShapes.Of(Case.Shape);
            var one = Fit.Of(footprint, Case.Variant);
            var two = Fit.Of(footprint, Case.Variant with { TensorParallel = Case.Variant.TensorParallel * 2 });
            if (one.Failure is { Term: "shape" } || two.Failure is { Term: "shape" }) return;
            var granularity = 1024L * 1024 * (Case.Shape.LayerCount * 8 + 4);
            Assert.True(two.PerDevice.Weights.Bytes.Value <= one.Stages.Max(stage => stage.Weights.Bytes.Value) + granularity);
            if (Case.Variant.Engine.SplitsByLayer) return;
            Assert.True(two.Stages.Max(stage => stage.Kv.Bytes) <= one.Stages.Max(stage => stage.Kv.Bytes));
        });

    [Fact]
    public void As_many_sequences_as_are_reported_fit_and_one_more_does_not() =>
        Cases.Sample(Case =>
        {
            var footprint = HandShapes.Of(Case.Shape);
            var variant = Case.Variant with { MaxSequences = 1024 };
            var report = Fit.Of(footprint, variant with { Concurrency = 1 });
            if (report.Failure is { Term: "shape" }) return;
            if (report.MaxConcurrency is > 0 and < 1024)
            {
                Assert.True(Fit.Of(footprint, variant with { Concurrency = report.MaxConcurrency }).Fits);
                Assert.False(Fit.Of(footprint, variant with { Concurrency = report.MaxConcurrency + 1 }).Fits);
            }
            else if (report.MaxConcurrency == 0)
            {
                Assert.False(report.Fits);
            }
        });

    [Fact]
    public void A_larger_device_never_needs_more_of_them() =>
        Gen.Select(Cases, Gen.Double[1, 3]).Sample((Case, times) =>
        {
            var footprint = HandShapes.Of(Case.Shape);
            var less = Case.Variant.Device.Memory.Value / (double)(1L << 30);
            // Engines' defaults jump with the device's memory; what is asked for does not.
            var variant = Case.Variant with { MaxBatchedTokens = 2048, MaxSequences = 256 };
            var shapes = SmallestShapes.Of(
                footprint, variant, [HandShapes.Device("smaller", less), HandShapes.Device("larger", less * times)], devicesMax: 16);
            if (shapes[0].Report is null) return;
            Assert.InRange(shapes[1].Devices, 1, shapes[0].Devices);
        }, iter: 60);

    [Fact]
    public void A_proposed_change_fits() =>
        Cases.Sample(Case =>
        {
            var footprint = HandShapes.Of(Case.Shape);
            var report = Fit.Of(footprint, Case.Variant);
            if (report.Failure is null) return;
            foreach (var change in report.Failure.Changes) Assert.True(Fit.Of(footprint, change.Variant).Fits, change.What);
        }, iter: 30);

    [Fact]
    public void No_shape_with_fewer_devices_fits_than_the_smallest() =>
        Cases.Sample(Case =>
        {
            var footprint = HandShapes.Of(Case.Shape);
            var smallest = SmallestShapes.Of(footprint, Case.Variant, [Case.Variant.Device], devicesMax: 8)[0];
            if (smallest.Report is { } report) Assert.True(Fit.Of(footprint, report.Variant).Fits);
            var below = smallest.Report is null ? 8 : smallest.Devices - 1;
            foreach (var ranks in Ranks)
            {
                for (var stages = 1; stages * ranks <= below; stages++)
                {
                    // Three or five devices of a domain are not a shape that anybody runs.
                    if (!System.Numerics.BitOperations.IsPow2(stages * ranks)) continue;
                    Assert.False(Fit.Of(footprint, Case.Variant with
                    {
                        TensorParallel = ranks,
                        PipelineParallel = stages,
                        ExpertParallel = 1,
                    }).Fits);
                }
            }
        }, iter: 30);
}
