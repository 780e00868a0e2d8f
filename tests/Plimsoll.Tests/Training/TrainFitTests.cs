using CsCheck;

namespace Plimsoll.Tests.Training;

public class TrainFitTests
{
    private static readonly Footprint Llama2 = Shapes.Footprint(Shapes.Llama2Of7B);
    private static readonly Footprint Llama3 = Shapes.Footprint(Shapes.Llama31Of8B);

    private static readonly TrainingRun LitGpt = new()
    {
        Device = DeviceCatalogue.BuiltIn.Find("a100-40gb")!,
        Method = TrainingMethod.Lora,
        Precision = TrainingPrecision.Pure16,
        Sequence = 1304,
        Loss = LossMemory.Native16,
        Trainer = TrainerRules.LitGpt2023,
    };

    private static readonly TrainingRun Titan = new()
    {
        Device = DeviceCatalogue.BuiltIn.Find("h100-96gb")!,
        DataParallel = 8,
        ZeroStage = 3,
        MicroBatch = 2,
        Sequence = 8192,
        Recomputation = Recomputation.MatrixOutputs,
    };

    // Llama 2 7B as lit-gpt measured it in October 2023 (tutorials/resource-tables.md), in GB of 10^9.
    [Theory]
    [InlineData(TrainingMethod.Lora, false, 1, 21.30)]
    [InlineData(TrainingMethod.Lora, false, 2, 29.07)]
    [InlineData(TrainingMethod.Qlora, false, 1, 14.14)]
    [InlineData(TrainingMethod.Qlora, true, 1, 13.84)]
    public void Measured_adapter_runs_are_met_within_5_percent(TrainingMethod method, bool twice, int batch, double gigabytes)
    {
        var report = TrainFit.Of(Llama2, LitGpt with { Method = method, DoubleQuantization = twice, MicroBatch = batch });

        Assert.InRange(report.PerDevice.Allocated.Value / 1e9, gigabytes * 0.95, gigabytes * 1.05);
        Assert.Equal(4_194_304, report.TrainedParameters); // as the same table has it
        Assert.True(report.Fits, report.Reason);
    }

    // Llama 3.1 8B as torchtitan measured it in December 2024, in GiB.
    [Theory]
    [InlineData(8, 82.4)]
    [InlineData(128, 67.0)]
    public void Measured_sharded_runs_are_met_within_5_percent(int ranks, double gibibytes)
    {
        var report = TrainFit.Of(Llama3, Titan with { DataParallel = ranks });

        Assert.InRange(report.PerDevice.Allocated.Value / (double)(1L << 30), gibibytes * 0.95, gibibytes * 1.05);
        Assert.True(report.Fits, report.Reason);
    }

    [Fact]
    public void A_run_that_ran_out_of_memory_does_not_fit_and_is_told_what_would()
    {
        var report = TrainFit.Of(Llama2, LitGpt with { MicroBatch = 4 });

        Assert.False(report.Fits);
        Assert.Equal("activations", report.Failure!.Term);
        Assert.Equal("full recomputation", report.Failure.Changes[0].What);
        Assert.Contains(report.Failure.Changes, change => change.What == "a micro-batch of 3 instead of 4");
        Assert.All(report.Failure.Changes, change => Assert.True(TrainFit.Of(Llama2, change.Run).Fits, change.What));
        Assert.EndsWith("too much; it would with full recomputation", report.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Full_training_of_7_billion_in_mixed_precision_is_16_bytes_a_parameter_and_its_checkpoint_14()
    {
        var report = TrainFit.Of(Llama2, new TrainingRun { Device = DeviceCatalogue.BuiltIn.Find("h100-80gb")!, Recomputation = Recomputation.Full });

        // 6,738,411,520 parameters: without the last norm's 4,096, which the hand-made shape leaves out.
        Assert.Equal(6_738_411_520, report.TrainedParameters);
        Assert.Equal(107_814_584_320, (report.PerDevice.Weights.Bytes + report.PerDevice.Gradients.Bytes + report.PerDevice.Optimizer.Bytes).Value);
        Assert.Equal(94_337_761_280, report.Checkpoint.Value);
        Assert.Equal("gradients", TrainFit.Of(Llama2, report.Run with { Device = DeviceCatalogue.BuiltIn.Find("l4-24gb")! }).Failure!.Term);
    }

    [Fact]
    public void The_smallest_cluster_is_the_first_power_of_two_that_holds_it()
    {
        // One device would need 107.8 GB for the states alone; two with a sharded optimiser 67.4 GB.
        var smallest = SmallestCluster.Of(Llama2, new TrainingRun
        {
            Device = DeviceCatalogue.BuiltIn.Find("h100-80gb")!,
            Recomputation = Recomputation.Full,
        })!;

        Assert.Equal((2, 1, 1), (smallest.Run.DataParallel, smallest.Run.TensorParallel, smallest.Run.ZeroStage));
        Assert.Null(SmallestCluster.Of(Llama2, smallest.Run with { MicroBatch = 4_000_000 }));
    }

    [Fact]
    public void Offloaded_states_move_to_host_memory()
    {
        var here = TrainFit.Of(Llama2, new TrainingRun { Device = DeviceCatalogue.BuiltIn.Find("h200-141gb")! });
        var away = TrainFit.Of(Llama2, here.Run with { Offload = TrainingOffload.Optimizer });

        Assert.Equal(0, here.PerDevice.Host.Value);
        Assert.Equal(14L * 6_738_411_520, away.PerDevice.Host.Value); // 2 + 12 bytes a parameter
        Assert.Equal(here.PerDevice.Allocated.Value - away.PerDevice.Host.Value, away.PerDevice.Allocated.Value);
    }

    [Theory]
    [InlineData(3, 1, 0, "32 attention heads can't be shared by 3 tensor-parallel ranks; expected a divisor")]
    [InlineData(1, 33, 0, "33 pipeline stages for 32 layers; expected at most one a layer")]
    [InlineData(1, 1, 4, "the ZeRO stage is 4; expected 0 to 3")]
    [InlineData(0, 1, 0, "tensor parallel is 0; expected 1 to 1048576")]
    public void A_run_that_cannot_be_is_refused_in_a_sentence(int tensor, int pipeline, int zero, string sentence)
    {
        var report = TrainFit.Of(Llama2, Titan with { TensorParallel = tensor, PipelineParallel = pipeline, ZeroStage = zero });

        Assert.Equal((false, "shape", sentence), (report.Fits, report.Failure!.Term, report.Reason));
    }

    [Fact]
    public void A_run_beyond_all_machines_is_weighed_and_does_not_overflow()
    {
        var report = TrainFit.Of(Llama3, Titan with { MicroBatch = 1, Sequence = 1L << 32, FusedAttention = false, Recomputation = Recomputation.None });

        Assert.False(report.Fits);
        Assert.True(report.PerDevice.Total.Value > 1L << 56);
        Assert.Equal("a micro-batch of 2 × 4294967296 tokens is none; expected 1 to 4294967296 tokens",
            TrainFit.Of(Llama3, Titan with { MicroBatch = 2, Sequence = 1L << 32 }).Reason);
    }

    [Fact]
    public void Without_an_architecture_nothing_is_guessed()
    {
        var report = TrainFit.Of(Llama2 with { Shape = null }, Titan);

        Assert.False(report.Fits);
        Assert.Equal("the architecture is not known, so what its training keeps is not either; a config.json would do", report.Reason);
    }

    private static IEnumerable<TrainingRun> Savings(TrainingRun run)
    {
        yield return run with { Loss = LossMemory.Fused };
        yield return run with { FusedAttention = true };
        yield return run with { Recomputation = Recomputation.Full };
        // With fused attention there are no scores to do without.
        if (run is { Recomputation: Recomputation.None, FusedAttention: false }) yield return run with { Recomputation = Recomputation.Selective };
        if (run.Optimizer == TrainingOptimizer.AdamW) yield return run with { Optimizer = TrainingOptimizer.Adam8Bit };
        yield return run with { Offload = TrainingOffload.Optimizer };
        // Stage 3 gathers what it shards: of few ranks and little that learns it may cost more than it saves.
        if (run.ZeroStage < 2) yield return run with { ZeroStage = run.ZeroStage + 1 };
        if (run is { ZeroStage: > 0, DataParallel: > 1 }) yield return run with { DataParallel = run.DataParallel * 2 };
    }

    [Fact]
    public void What_changes_the_result_is_proposed_after_what_only_costs_time_and_before_what_costs_devices()
    {
        // 107.8 GB of states and about 60 of what three sequences of 4096 keep: each of these alone makes them fit 150.
        var run = new TrainingRun { Device = DeviceCatalogue.BuiltIn.Find("h200-141gb")!, MicroBatch = 3, Sequence = 4096 };

        var changes = TrainFit.Of(Llama2, run, [DeviceCatalogue.BuiltIn.Find("b200-180gb")!]).Failure!.Changes.Select(change => change.What).ToList();

        var order = new[] { "full recomputation", "a micro-batch of", "8-bit Adam", "sequences of", "LoRA", "QLoRA", "devices and ZeRO stage" };
        var places = order.Select(what => changes.FindIndex(change => change.Contains(what, StringComparison.Ordinal))).ToList();
        Assert.DoesNotContain(-1, places);
        Assert.Equal(places.Order(), places);
    }

    [Fact]
    public void Terms_of_a_model_that_is_guessed_are_no_surer_than_the_guess()
    {
        var guessed = Llama2 with { Provenance = [new("parameters", Certainty.Assumed, "taken for Llama's"), new("shape", Certainty.Assumed, "taken for Llama's")] };
        var (known, need) = (TrainFit.Of(Llama2, Titan).PerDevice, TrainFit.Of(guessed, Titan).PerDevice);

        Assert.Equal((Certainty.Exact, Certainty.Exact, Certainty.Exact), (known.Weights.Certainty, known.Gradients.Certainty, known.Optimizer.Certainty));
        Assert.All([need.Weights, need.Gradients, need.Optimizer, need.Activations, need.Logits, need.Buffers], term => Assert.Equal(Certainty.Assumed, term.Certainty));
        Assert.Equal(known.Total, need.Total);

        // Counted tensors of an architecture that is guessed: adapters follow the guess, the frozen weights go with them.
        var counted = guessed with { Provenance = [new("shape", Certainty.Assumed, "taken for Llama's")] };
        Assert.Equal(Certainty.Exact, TrainFit.Of(counted, Titan).PerDevice.Weights.Certainty);
        Assert.Equal(Certainty.Assumed, TrainFit.Of(counted, Titan with { Method = TrainingMethod.Lora }).PerDevice.Gradients.Certainty);
    }

    [Fact]
    public void Gradients_that_are_used_at_once_are_those_of_the_largest_unit_the_embedding_among_them()
    {
        var run = new TrainingRun { Device = DeviceCatalogue.BuiltIn.Find("h200-141gb")!, Precision = TrainingPrecision.Pure16, OptimizerInBackward = true };

        // Llama 3.1's embedding has 128,256 × 4096 parameters, a layer 218,112,000; Llama 2's 32,000 × 4096, and a layer 202,383,360.
        Assert.Equal(1_050_673_152, TrainFit.Of(Llama3, run).PerDevice.Gradients.Bytes.Value);
        Assert.Equal(404_766_720, TrainFit.Of(Llama2, run).PerDevice.Gradients.Bytes.Value);
    }

    [Fact]
    public void A_tied_head_is_gathered_on_the_last_stage_as_the_embedding_is_on_the_first()
    {
        var tied = Shapes.Footprint(Shapes.Llama2Of7B with { TiedEmbeddings = true, After = [] });

        var stages = TrainFit.Of(tied, Titan with { PipelineParallel = 2, Precision = TrainingPrecision.Pure16 }).Stages;

        // Two layers of 202,383,360 and a table of 131,072,000 at two bytes, and the gradient of the larger.
        Assert.Equal(809_533_440 + 262_144_000 + 404_766_720, stages[1].Buffers.Bytes.Value);
        Assert.Equal(stages[0].Buffers.Bytes, stages[1].Buffers.Bytes);
    }

    [Fact]
    public void Terms_add_up_and_no_setting_that_saves_memory_costs_any()
    {
        var runs = Gen.Select(Gen.Int[0, 3], Gen.Int[1, 8], Gen.Int[1, 4], Gen.Enum<TrainingMethod>(), Gen.Enum<TrainingOptimizer>(), Gen.Enum<Recomputation>(), Gen.Bool)
            .Select((zero, ranks, batch, method, optimizer, recomputation, fused) => Titan with
            {
                ZeroStage = zero,
                DataParallel = ranks,
                MicroBatch = batch,
                Method = method,
                Optimizer = optimizer,
                Recomputation = recomputation,
                FusedAttention = fused,
                Sequence = 1024,
            });
        runs.Sample(run =>
        {
            var need = TrainFit.Evaluate(Llama3, run).PerDevice;
            Assert.Equal(need.Fits(), TrainFit.Evaluate(Llama3, run).Fits);
            Assert.Equal(
                need.Total.Value,
                need.Weights.Bytes.Value + need.Gradients.Bytes.Value + need.Optimizer.Bytes.Value + need.Activations.Bytes.Value
                    + need.Logits.Bytes.Value + need.Overhead.Value);
            Assert.True(need.Total <= TrainFit.Evaluate(Llama3, run with { MicroBatch = run.MicroBatch + 1 }).PerDevice.Total);
            foreach (var saving in Savings(run))
            {
                // Each term is rounded up by itself.
                Assert.True(TrainFit.Evaluate(Llama3, saving).PerDevice.Total.Value <= need.Total.Value + 8, $"{run} against {saving}");
            }
        });
    }
}

internal static class NeedExtensions
{
    public static bool Fits(this TrainingNeed need) => need.Headroom.Value >= 0;
}
