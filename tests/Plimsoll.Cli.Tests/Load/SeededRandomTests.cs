using Plimsoll.Cli.Load;

namespace Plimsoll.Cli.Tests.Load;

public sealed class SeededRandomTests
{
    [Fact]
    public void The_hash_is_split_mix_as_published()
    {
        // First outputs of SplitMix64 from seed 1234567, as its authors' reference program prints them.
        Assert.Equal(6457827717110365317UL, SeededRandom.Mix(1234567, 1));
        Assert.Equal(3203168211198807973UL, SeededRandom.Mix(1234567, 2));
        Assert.Equal(9817491932198370423UL, SeededRandom.Mix(1234567, 3));
    }

    [Fact]
    public void Equal_seeds_give_equal_numbers_and_others_do_not()
    {
        Assert.Equal(Draw(7), Draw(7));
        Assert.NotEqual(Draw(7), Draw(8));

        static List<ulong> Draw(ulong seed)
        {
            var random = new SeededRandom(seed);
            return [.. Enumerable.Range(0, 100).Select(_ => random.NextBits())];
        }
    }

    [Fact]
    public void Unit_numbers_lie_in_zero_to_one_and_average_a_half()
    {
        var random = new SeededRandom(1);
        var numbers = Enumerable.Range(0, 100_000).Select(_ => random.NextUnit()).ToList();

        Assert.All(numbers, number => Assert.InRange(number, 0, 1 - 1e-17));
        Assert.InRange(numbers.Average(), 0.495, 0.505);
        Assert.InRange(numbers.Average(n => n * n), 0.328, 0.339); // 1/3
    }

    [Theory]
    [InlineData(0.3)]
    [InlineData(1.0)]
    [InlineData(6.0)]
    public void Gamma_numbers_have_mean_one_and_the_variance_of_their_shape(double shape)
    {
        var random = new SeededRandom(2);
        var numbers = Enumerable.Range(0, 200_000).Select(_ => random.NextGamma(shape)).ToList();
        var mean = numbers.Average();

        Assert.InRange(mean, 0.98, 1.02);
        Assert.InRange(numbers.Average(n => (n - mean) * (n - mean)) * shape, 0.94, 1.06);
    }

    [Fact]
    public void Normal_numbers_are_centred_with_unit_variance()
    {
        var random = new SeededRandom(3);
        var numbers = Enumerable.Range(0, 100_000).Select(_ => random.NextNormal()).ToList();

        Assert.InRange(numbers.Average(), -0.02, 0.02);
        Assert.InRange(numbers.Average(n => n * n), 0.98, 1.02);
    }
}
