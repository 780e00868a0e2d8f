using System.Diagnostics;
using System.Globalization;
using System.Text;
using Plimsoll.Cli.Commands;

namespace Plimsoll.Cli.Tests.Commands;

/// <summary>The real program, as a process or in this one; the model server must be built beside it.</summary>
internal static class CommandProcess
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    public static Process Start(params string[] arguments)
    {
        var here = Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
        var program = Path.GetFullPath(Path.Combine(here, "..", "..", "Plimsoll.Cli", Path.GetFileName(here), "Plimsoll.Cli"));
        return Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
    }

    /// <summary>Reads on to a line of its output.</summary>
    public static async Task<string> LineAsync(Process process, string part)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (await process.StandardOutput.ReadLineAsync(patience.Token) is { } line)
        {
            if (line.Contains(part, StringComparison.Ordinal)) return line;
        }

        throw new InvalidOperationException($"ended without '{part}': {await process.StandardError.ReadToEndAsync(patience.Token)}");
    }

    /// <summary>Where a process of <c>up</c> takes requests.</summary>
    public static async Task<Uri> GatewayAsync(Process up) =>
        new((await LineAsync(up, "requests to ")).Split("requests to ")[1].Split(',')[0]);

    /// <summary>One request for a sample model; held as long as it takes.</summary>
    public static async Task<HttpResponseMessage> InferAsync(Uri gateway, string model)
    {
        using var client = new HttpClient { BaseAddress = gateway, Timeout = Patience };
        using var body = new StringContent(
            """{"inputs":[{"name":"input_ids","shape":[1,3],"datatype":"INT64","data":[1,2,3]}]}""", Encoding.UTF8, "application/json");
        return await client.PostAsync(new Uri($"/v2/models/{model}/infer", UriKind.Relative), body, TestContext.Current.CancellationToken);
    }

    /// <summary>Asks for an orderly end and waits for it.</summary>
    public static async Task<int> EndAsync(Process up)
    {
        using var kill = Process.Start("kill", ["-TERM", up.Id.ToString(CultureInfo.InvariantCulture)]);
        await up.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken);
        return up.ExitCode;
    }

    /// <summary>A command in this process; what it says on both outputs together.</summary>
    public static async Task<(int Code, string Output)> RunAsync(params string[] args)
    {
        var output = new StringWriter();
        return (await CommandLine.RunAsync(args, output, output, TimeProvider.System), output.ToString());
    }
}
