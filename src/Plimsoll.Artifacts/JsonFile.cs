using System.Text.Json;

namespace Plimsoll.Artifacts;

/// <summary>A JSON file that lies beside a model's weights. It is read whole, so its size is bounded.</summary>
internal static class JsonFile
{
    /// <summary>A configuration with 20,000 class names takes about one megabyte.</summary>
    private const int ConfigBytesMax = 16 << 20;
    private const int DepthMax = 64;

    public static string ReadText(ByteSource source)
    {
        var file = new HeaderFile(source, "a configuration");
        return file.ReadText(file.Length, ConfigBytesMax, "its text");
    }

    /// <summary>Reads <paramref name="text"/>, which came from <paramref name="path"/>, as a JSON object.</summary>
    public static JsonDocument Parse(string path, string text)
    {
        try
        {
            var options = new JsonDocumentOptions { MaxDepth = DepthMax, AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip };
            var document = JsonDocument.Parse(JsonNumbers.Finite(text), options);
            if (document.RootElement.ValueKind == JsonValueKind.Object && HasNames(document.RootElement))
                return document;
            document.Dispose();
            throw new ArtifactException($"{path} is no configuration: its JSON is no object, or a name in it is not Unicode.");
        }
        catch (JsonException e)
        {
            throw new ArtifactException($"{path} is no configuration: its JSON breaks in line {e.LineNumber + 1}, byte {e.BytePositionInLine}.", e);
        }
        catch (ArgumentException e)
        {
            throw new ArtifactException($"{path} is no configuration: its text is not Unicode.", e);
        }
    }

    // JSON may escape half of a surrogate pair in a name, and looking up any name beside it fails then.
    private static bool HasNames(JsonElement root)
    {
        try
        {
            foreach (var property in root.EnumerateObject())
                _ = property.Name;
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>A text, or null when it is missing, no text, or no Unicode.</summary>
    public static string? Text(this JsonElement element, string name)
    {
        if (!element.TryGetProperty(name, out var value) || value.ValueKind != JsonValueKind.String)
            return null;
        return TextOf(value);
    }

    public static string? TextOf(JsonElement value)
    {
        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException)
        {
            // An escaped half of a surrogate pair.
            return null;
        }
    }
}
