using System.CommandLine;

namespace Plimsoll.Cli.Load;

/// <summary>The command <c>plimsoll load</c>.</summary>
public static class LoadCommand
{
    public static Command Create(TimeProvider time)
    {
        var url = TrafficOptions.Address("--url", "The gateway (default http://127.0.0.1:8080)");
        var model = new Option<string?>("--model") { Description = "The model to send to; a trace may name its own", HelpName = "NAME" };
        var rate = TrafficOptions.Positive("--rate", "Poisson arrivals, requests a second", "R", 1e6);
        var trace = new Option<string?>("--trace") { Description = "Play a trace: Azure LLM 2023 CSV, or seconds,model,size", HelpName = "FILE" };
        var speedUp = TrafficOptions.Positive("--speed-up", "Trace seconds per second (default 1)", "X", 1e6);
        var keep = TrafficOptions.Count("--keep-one-in", "Thin the trace by a seeded choice", 1, 1_000_000);
        var duration = TrafficOptions.Duration("--duration", "How long (default 30s of a rate, all of a trace)");
        var length = TrafficOptions.Count("--sequence-length", "Tokens per request; the cap on a trace's sizes", 128, 100_000);
        var seed = TrafficOptions.Seed();
        var bound = TrafficOptions.Count("--max-in-flight", "What is due beyond this is counted as not sent", 4096, 100_000);
        var slo = TrafficOptions.Duration("--slo", "Report the share answered within this time");
        var timeout = TrafficOptions.Duration("--timeout", "A request without an answer by then has failed (default 60s)");
        var json = new Option<bool>("--json") { Description = "Print the report as JSON" };

        var command = new Command("load", "Send requests open loop, by a rate or a trace, and report latency percentiles")
        {
            url, model, rate, trace, speedUp, keep, duration, length, seed, bound, slo, timeout, json,
        };
        command.SetAction((parsed, cancellationToken) => LoadRun.RunAsync(
            new LoadArguments
            {
                Url = parsed.GetValue(url) ?? new Uri("http://127.0.0.1:8080"),
                Model = parsed.GetValue(model),
                RatePerSecond = parsed.GetValue(rate),
                Trace = parsed.GetValue(trace),
                SpeedUp = parsed.GetValue(speedUp) ?? 1,
                KeepOneIn = parsed.GetValue(keep),
                Duration = parsed.GetValue(duration),
                SequenceLength = parsed.GetValue(length),
                Seed = parsed.GetValue(seed),
                MaxInFlight = parsed.GetValue(bound),
                Slo = parsed.GetValue(slo),
                Timeout = parsed.GetValue(timeout) ?? TimeSpan.FromSeconds(60),
                Json = parsed.GetValue(json),
            },
            parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error, time, cancellationToken));
        return command;
    }
}
