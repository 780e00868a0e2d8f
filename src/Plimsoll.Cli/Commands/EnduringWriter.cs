using System.Text;

namespace Plimsoll.Cli.Commands;

/// <summary>
/// What a command that serves says, to an output that may fail: the disk under a log that is full, a terminal that is gone.
/// What cannot be written is lost, the next is tried again, and whoever writes goes on.
/// </summary>
internal sealed class EnduringWriter : TextWriter
{
    private readonly TextWriter _output;

    private EnduringWriter(TextWriter output) => _output = output;

    /// <summary>One before an output, which whoever made it disposes of.</summary>
    public static TextWriter Over(TextWriter output) => new EnduringWriter(output);

    public override Encoding Encoding => _output.Encoding;

    public override void Write(char value) => Try(() => _output.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => _output.Write(buffer, index, count));

    public override void Write(string? value) => Try(() => _output.Write(value));

    public override void WriteLine(string? value) => Try(() => _output.WriteLine(value));

    public override void Flush() => Try(_output.Flush);

    public override Task WriteAsync(string? value) => TryAsync(() => _output.WriteAsync(value));

    public override Task WriteLineAsync(string? value) => TryAsync(() => _output.WriteLineAsync(value));

    public override Task FlushAsync() => TryAsync(_output.FlushAsync);

    public override Task FlushAsync(CancellationToken cancellationToken) => TryAsync(() => _output.FlushAsync(cancellationToken));

    private static void Try(Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (IsOfTheOutput(e))
        {
            // Nobody can be told.
        }
    }

    private static async Task TryAsync(Func<Task> write)
    {
        try
        {
            await write().ConfigureAwait(false);
        }
        catch (Exception e) when (IsOfTheOutput(e))
        {
            // As above.
        }
    }

    private static bool IsOfTheOutput(Exception e) => e is IOException or UnauthorizedAccessException;
}
