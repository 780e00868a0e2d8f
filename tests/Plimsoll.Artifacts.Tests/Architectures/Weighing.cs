namespace Plimsoll.Artifacts.Tests.Architectures;

/// <summary>What the tests of architectures weigh.</summary>
internal static class Weighing
{
    public static ArtifactHeader Config(string config, string? quantization = null) => new()
    {
        Format = ArtifactFormat.HuggingFace,
        Source = "model",
        Files = [],
        Config = config,
        QuantizationConfig = quantization,
    };

    public static WeighedModel Model(string config, string? quantization = null) => Architecture.Weigh(Config(config, quantization));

    public static WeighedModel Published(string name) => Model(PublicData.Configuration(name));
}
