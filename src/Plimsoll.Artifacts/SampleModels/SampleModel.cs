namespace Plimsoll.Artifacts;

/// <summary>
/// The shape of a sample model: a transformer encoder with random weights that is real in everything but sense.
/// Same values, same file, byte for byte.
/// </summary>
/// <param name="Name">File name without its extension.</param>
/// <param name="Hidden">Width of a token's vector.</param>
/// <param name="Layers">Number of transformer blocks.</param>
/// <param name="Heads">Attention heads; divides <paramref name="Hidden"/>.</param>
/// <param name="Vocabulary">Number of token ids that `input_ids` may hold.</param>
/// <param name="SequenceMax">Longest sequence.</param>
/// <param name="Seed">Seed of the weights.</param>
public sealed record SampleModel(
    string Name, int Hidden, int Layers, int Heads, int Vocabulary, int SequenceMax, ulong Seed)
{
    /// <summary>Raised whenever the written bytes change, so that older files are made again.</summary>
    public const int FormatVersion = 1;

    public const long BytesMin = 256L << 10;

    public const long BytesMax = 64L << 30;

    // A block's share of the weights decides how much a request computes; one in six leaves the rest to the
    // embedding table, as in small multilingual encoders, so that even 1.5 GB answers quickly on one core.
    private const double BlocksShare = 1.0 / 6;
    private static readonly int[] Widths = [16, 32, 64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096];

    /// <summary>Weights of one block: query, key, value, output and a four times wider MLP, with biases and norms.</summary>
    public long BlockParameters => 12L * Hidden * Hidden + 13L * Hidden;

    public long Parameters =>
        ((long)Vocabulary + SequenceMax + 2) * Hidden + Layers * BlockParameters;

    public long WeightBytes => 4 * Parameters;

    /// <summary>The shape whose weights come closest to <paramref name="bytes"/> (within one row of embeddings).</summary>
    /// <exception cref="ArgumentOutOfRangeException">Outside <see cref="BytesMin"/> to <see cref="BytesMax"/>.</exception>
    public static SampleModel OfSize(string name, long bytes, ulong seed = 1)
    {
        if (bytes is < BytesMin or > BytesMax)
        {
            throw new ArgumentOutOfRangeException(
                nameof(bytes), $"A sample model has {BytesMin} to {BytesMax} bytes, not {bytes}.");
        }

        var parameters = bytes / 4;
        var blocks = parameters * BlocksShare;
        // The widest that still gets four blocks; a tiny model takes the narrowest.
        var hidden = Widths.LastOrDefault(width => 4L * (12L * width * width + 13L * width) <= blocks, Widths[0]);
        var shape = new SampleModel(name, hidden, 1, Math.Max(2, hidden / 64), 1, 512, seed);
        shape = shape with { Layers = (int)Math.Clamp(Math.Round(blocks / shape.BlockParameters), 1, 48) };
        var left = parameters - (shape with { Vocabulary = 0 }).Parameters;
        return shape with { Vocabulary = (int)Math.Clamp(left / hidden, 64, int.MaxValue) };
    }
}
