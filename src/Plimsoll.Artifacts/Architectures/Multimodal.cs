namespace Plimsoll.Artifacts;

/// <summary>Models of a text part and encoders of images or sound before it.</summary>
internal static class Multimodal
{
    public static ModelSpec? Read(ModelConfig config) => config.Section("text_config", "llm_config") is null ? null : null;
}
