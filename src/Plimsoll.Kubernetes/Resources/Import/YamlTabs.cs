using YamlDotNet.Core;

namespace Plimsoll.Kubernetes.Resources.Import;

/// <summary>Where a text is indented by a tab, which YAML forbids and whose place the parser does not say.</summary>
public static class YamlTabs
{
    /// <summary>The first such place from where the parser gave up; null where it gave up for another reason.</summary>
    public static (int Line, int Column)? Find(string text, YamlException broken)
    {
        ArgumentNullException.ThrowIfNull(broken);
        if (!broken.Message.Contains("tab", StringComparison.Ordinal)) return null;
        var number = 0;
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            number++;
            if (number >= broken.Start.Line && line.IndexOfAnyExcept(' ') is >= 0 and var at && line[at] == '\t') return (number, at + 1);
        }

        return null;
    }
}
