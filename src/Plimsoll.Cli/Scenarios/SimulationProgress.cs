using System.Globalization;
using Spectre.Console;

namespace Plimsoll.Cli.Scenarios;

/// <summary>How far runs are: a bar on a terminal; nothing where the errors go to a file.</summary>
internal static class SimulationProgress
{
    /// <param name="error">Where the bar is drawn.</param>
    /// <param name="runs">How many runs there are.</param>
    /// <param name="work">Given what takes the runs done so far, in parts of one.</param>
    public static void Show(TextWriter error, int runs, Action<Action<double>> work)
    {
        if (Console.IsErrorRedirected)
        {
            work(_ => { });
            return;
        }

        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(error) });
        console.Progress().AutoClear(true).Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn()).Start(context =>
        {
            var task = context.AddTask(string.Create(CultureInfo.InvariantCulture, $"{runs} {(runs == 1 ? "run" : "runs")}"), maxValue: runs);
            work(done => task.Value = done);
        });
    }
}
