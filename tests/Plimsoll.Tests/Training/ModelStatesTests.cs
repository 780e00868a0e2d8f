namespace Plimsoll.Tests.Training;

public class ModelStatesTests
{
    private static readonly TrainingRun Run = new() { Device = DeviceCatalogue.BuiltIn.Find("a100-80gb")! };

    // ZeRO (Rajbhandari et al. 2020), figure 1: 7.5 billion parameters, 64 ranks, mixed Adam.
    [Theory]
    [InlineData(0, 120)]
    [InlineData(1, 31.4)]
    [InlineData(2, 16.6)]
    [InlineData(3, 1.9)]
    public void Zeros_figure_1_is_met(int stage, double gigabytes) =>
        Assert.Equal(gigabytes, Sharded(7.5e9, 64, stage), 0.05);

    // Table 1 of the same paper: GB per device by ranks, for stages 1, 2 and 3. Larger ones are cut there and not rounded.
    [Theory]
    [InlineData(7.5, 4, 52.5, 41.3, 30)]
    [InlineData(7.5, 16, 35.6, 21.6, 7.5)]
    [InlineData(7.5, 64, 31.4, 16.6, 1.88)]
    [InlineData(7.5, 256, 30.4, 15.4, 0.47)]
    [InlineData(7.5, 1024, 30.1, 15.1, 0.12)]
    [InlineData(128, 4, 896, 704, 512)]
    [InlineData(128, 16, 608, 368, 128)]
    [InlineData(128, 64, 536, 284, 32)]
    [InlineData(128, 256, 518, 263, 8)]
    [InlineData(128, 1024, 513, 257, 2)]
    [InlineData(1000, 4, 7000, 5500, 4000)]
    [InlineData(1000, 16, 4750, 2875, 1000)]
    [InlineData(1000, 64, 4187, 2218, 250)]
    [InlineData(1000, 256, 4046, 2054, 62.5)]
    [InlineData(1000, 1024, 4011, 2013, 15.6)]
    public void Zeros_table_1_is_met_to_the_printed_digit(double billions, int ranks, double one, double two, double three)
    {
        foreach (var (stage, printed) in new[] { (1, one), (2, two), (3, three) })
        {
            var gigabytes = Sharded(billions * 1e9, ranks, stage);
            var digit = printed >= 100 || printed == Math.Floor(printed) ? 1 : printed >= 10 || ranks < 64 ? 0.1 : 0.01;
            Assert.InRange(gigabytes, printed - (0.51 * digit), printed + (0.99 * digit));
        }
    }

    [Theory]
    [InlineData(TrainingOptimizer.AdamW, TrainingPrecision.Mixed, 2, 2, 12)]
    [InlineData(TrainingOptimizer.AdamW, TrainingPrecision.Pure16, 2, 2, 4)]
    [InlineData(TrainingOptimizer.AdamW, TrainingPrecision.Full32, 4, 4, 8)]
    [InlineData(TrainingOptimizer.Adam8Bit, TrainingPrecision.Pure16, 2, 2, 2.03125)]
    [InlineData(TrainingOptimizer.Adam8Bit, TrainingPrecision.Mixed, 2, 2, 6.03125)]
    [InlineData(TrainingOptimizer.Sgd, TrainingPrecision.Mixed, 2, 2, 4)]
    [InlineData(TrainingOptimizer.SgdMomentum, TrainingPrecision.Mixed, 2, 2, 8)]
    [InlineData(TrainingOptimizer.Sgd, TrainingPrecision.Pure16, 2, 2, 0)]
    [InlineData(TrainingOptimizer.Adafactor, TrainingPrecision.Pure16, 2, 2, 0.001953125)]
    public void A_parameter_that_learns_takes_these_bytes(
        TrainingOptimizer optimizer, TrainingPrecision precision, double weight, double gradient, double state) =>
        Assert.Equal(
            new ModelStates(weight, gradient, state),
            ModelStates.PerTrained(Run with { Optimizer = optimizer, Precision = precision }, hidden: 4096));

    private static double Sharded(double parameters, int ranks, int stage)
    {
        var run = Run with { DataParallel = ranks, ZeroStage = stage };
        return ModelStates.Of(parameters, run, hidden: 0).Sharded(run).Total / 1e9;
    }

    [Fact]
    public void Four_bit_weights_take_half_a_byte_and_their_scales()
    {
        // A scale of 4 bytes per 64; quantised again, of one byte, with 4 bytes per 64 × 256.
        Assert.Equal(0.5625, ModelStates.PerFrozen(Run with { DoubleQuantization = false }, quantised: true));
        Assert.Equal(0.515869140625, ModelStates.PerFrozen(Run with { DoubleQuantization = true }, quantised: true));
        Assert.Equal(2, ModelStates.PerFrozen(Run, quantised: false));
    }
}
