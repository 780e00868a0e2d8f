using System.Security.Cryptography;
using System.Text;

namespace Plimsoll.Caching;

/// <summary>Names on the cache's disk, whatever the names of models, versions and files are.</summary>
internal static class CacheNames
{
    private const int Longest = 100;
    private const string Plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

    /// <summary>The artefact's folder: "org%2Fmodel@v1". Different artefacts never share one.</summary>
    public static string Of(ModelId model, string version) => $"{Escape(model.Value)}@{Escape(version)}";

    /// <summary>A file name out of a URL; never hidden, never a path.</summary>
    public static string FileOf(Uri url) => FileOf(Uri.UnescapeDataString(url.AbsolutePath));

    /// <summary>The same out of a path.</summary>
    public static string FileOf(string path)
    {
        var last = path.Split('/')[^1];
        var name = new string([.. last.Where(c => Plain.Contains(c)).Take(Longest)]).TrimStart('.');
        return name.Length == 0 ? "model" : name;
    }

    // Everything but plain characters as %XX of its UTF-8, so that no separator, dot-dot or control character is left.
    private static string Escape(string name)
    {
        var text = new StringBuilder();
        foreach (var b in Encoding.UTF8.GetBytes(name))
        {
            var c = (char)b;
            if (Plain.Contains(c) && !(c == '.' && text.Length == 0)) text.Append(c);
            else text.Append('%').Append(b.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
        }

        if (text.Length is > 0 and <= Longest) return text.ToString();
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))[..16];
        return $"{text.ToString(0, Math.Min(text.Length, Longest))}%{hash}";
    }
}
