using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace Plimsoll.Pages;

/// <summary>Markup as it stands, for a hole that is not to be escaped.</summary>
internal readonly record struct Markup(string Text);

/// <summary>
/// Writes markup from interpolated strings. What is around the holes is ours and is taken as it is; what is in a hole is text and is
/// escaped, so that nothing from a scenario's file can become markup by being forgotten.
/// </summary>
internal sealed class MarkupWriter
{
    private readonly StringBuilder _text = new();

    public MarkupWriter Add([InterpolatedStringHandlerArgument("")] Handler markup)
    {
        markup.End();
        return this;
    }

    public Markup Written() => new(_text.ToString());

    [InterpolatedStringHandler]
    public readonly ref struct Handler
    {
        private readonly StringBuilder _text;

        public Handler(int literalLength, int formattedCount, MarkupWriter writer)
        {
            _text = writer._text;
            _text.EnsureCapacity(_text.Length + literalLength + (8 * formattedCount));
        }

        public void AppendLiteral(string markup) => _text.Append(markup);

        public void AppendFormatted(Markup markup) => _text.Append(markup.Text);

        public void AppendFormatted(int number) => _text.Append(CultureInfo.InvariantCulture, $"{number}");

        /// <summary>A coordinate or a share of a width: a tenth is as fine as anybody sees.</summary>
        public void AppendFormatted(double number) => _text.Append(Coordinate(number));

        public void AppendFormatted(string text)
        {
            foreach (var character in Figures.Clean(text))
            {
                _ = character switch
                {
                    '&' => _text.Append("&amp;"),
                    '<' => _text.Append("&lt;"),
                    '>' => _text.Append("&gt;"),
                    '"' => _text.Append("&quot;"),
                    '\'' => _text.Append("&#39;"),
                    _ => _text.Append(character),
                };
            }
        }

        internal void End() => _text.Append('\n');
    }

    public static string Coordinate(double number)
    {
        var shown = number.ToString("0.#", CultureInfo.InvariantCulture);
        return shown == "-0" ? "0" : shown;
    }
}
