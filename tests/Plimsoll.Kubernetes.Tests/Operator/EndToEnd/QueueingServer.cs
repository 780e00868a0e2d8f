using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Kubernetes.Tests.Operator.EndToEnd;

/// <summary>
/// A model server with nothing in it but its queue: so many requests at once, each for so long, the others wait their turn.
/// It tells of itself as vLLM does.
/// </summary>
internal sealed class QueueingServer(string model, int concurrency, TimeSpan service)
{
    private static readonly double[] Bounds = [1, 2.5, 5, 10, 20, 40];

    private readonly Lock _gate = new();
    private readonly long[] _free = new long[concurrency]; // when each place is free, as a timestamp
    private readonly long[] _within = new long[Bounds.Length];
    private int _waiting;
    private int _running;
    private long _done;
    private double _seconds;

    public Task ServeAsync(HttpContext context)
    {
        if (context.Request.Path != "/metrics") return AnswerAsync(context);
        context.Response.ContentType = "text/plain; version=0.0.4";
        return context.Response.WriteAsync(Metrics(), context.RequestAborted);
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var time = TimeProvider.System;
        var came = time.GetTimestamp();
        TimeSpan wait;
        lock (_gate)
        {
            // The place that is free first is this request's next.
            var place = Array.IndexOf(_free, _free.Min());
            var start = Math.Max(came, _free[place]);
            _free[place] = start + (long)(service.TotalSeconds * time.TimestampFrequency);
            wait = time.GetElapsedTime(came, start);
            _waiting++;
        }

        var running = false;
        try
        {
            await Task.Delay(wait, time, context.RequestAborted);
            lock (_gate) (running, _waiting, _running) = (true, _waiting - 1, _running + 1);
            var left = wait + service - time.GetElapsedTime(came);
            if (left > TimeSpan.Zero) await Task.Delay(left, time, context.RequestAborted);
        }
        finally
        {
            lock (_gate) (_waiting, _running) = running ? (_waiting, _running - 1) : (_waiting - 1, _running);
        }

        var took = time.GetElapsedTime(came).TotalSeconds;
        lock (_gate)
        {
            _done++;
            _seconds += took;
            for (var i = 0; i < Bounds.Length; i++) _within[i] += took <= Bounds[i] ? 1 : 0;
        }

        await context.Response.WriteAsync("{}", context.RequestAborted);
    }

    private string Metrics()
    {
        var text = new StringBuilder();
        void Line(string name, double value, string more = "") => text.Append(CultureInfo.InvariantCulture, $"vllm:{name}{{model_name=\"org/{model}\"{more}}} {value}\n");
        lock (_gate)
        {
            Line("num_requests_running", _running);
            Line("num_requests_waiting", _waiting);
            Line("request_success_total", _done, ",finished_reason=\"stop\"");
            Line("e2e_request_latency_seconds_count", _done);
            Line("e2e_request_latency_seconds_sum", _seconds);
            for (var i = 0; i < Bounds.Length; i++)
                Line("e2e_request_latency_seconds_bucket", _within[i], string.Create(CultureInfo.InvariantCulture, $",le=\"{Bounds[i]}\""));
            Line("e2e_request_latency_seconds_bucket", _done, ",le=\"+Inf\"");
        }

        return text.ToString();
    }
}
