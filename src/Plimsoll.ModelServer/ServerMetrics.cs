using System.Globalization;
using System.Text;

namespace Plimsoll.ModelServer;

/// <summary>Counters under the names that Triton gives them, and a few of our own, as Prometheus text.</summary>
internal sealed class ServerMetrics
{
    private readonly Lock _lock = new();
    private long _succeeded, _failed, _rows, _runs, _pending;
    private double _requestUs, _queueUs, _inputUs, _computeUs, _outputUs;
    private LoadTimes? _load;

    public void Loaded(LoadTimes times)
    {
        lock (_lock)
            _load = times;
    }

    public void Enqueued()
    {
        lock (_lock)
            _pending++;
    }

    public void Dequeued()
    {
        lock (_lock)
            _pending--;
    }

    public void Started(TimeSpan waited)
    {
        lock (_lock)
        {
            _pending--;
            _queueUs += waited.TotalMicroseconds;
        }
    }

    /// <summary>One run of the model over <paramref name="rows"/> rows. Each of its requests counts the run's time as
    /// its own, as Triton has it.</summary>
    public void Executed(int rows, RunTimes times, int requests)
    {
        lock (_lock)
        {
            _rows += rows;
            _runs++;
            _inputUs += times.Input.TotalMicroseconds * requests;
            _computeUs += times.Compute.TotalMicroseconds * requests;
            _outputUs += times.Output.TotalMicroseconds * requests;
        }
    }

    public void Succeeded(TimeSpan took)
    {
        lock (_lock)
        {
            _succeeded++;
            _requestUs += took.TotalMicroseconds;
        }
    }

    public void Failed()
    {
        lock (_lock)
            _failed++;
    }

    public string Text(string modelName)
    {
        var text = new StringBuilder(4096);
        var labels = $"model=\"{Escaped(modelName)}\",version=\"{ServedModel.Version}\"";
        lock (_lock)
        {
            Add(text, "nv_inference_request_success", "counter", "Inference requests answered", labels, _succeeded);
            Add(text, "nv_inference_request_failure", "counter", "Inference requests that failed", labels, _failed);
            Add(text, "nv_inference_count", "counter", "Inferences made, each row of a batch counted", labels, _rows);
            Add(text, "nv_inference_exec_count", "counter", "Runs of the model, a batch counted once", labels, _runs);
            Add(text, "nv_inference_request_duration_us", "counter",
                "Time from a request's arrival to its answer, in microseconds, summed", labels, _requestUs);
            Add(text, "nv_inference_queue_duration_us", "counter",
                "Time that requests waited for their run, in microseconds, summed", labels, _queueUs);
            Add(text, "nv_inference_compute_input_duration_us", "counter",
                "Time to prepare inputs, in microseconds, summed over requests", labels, _inputUs);
            Add(text, "nv_inference_compute_infer_duration_us", "counter",
                "Time in the model, in microseconds, summed over requests", labels, _computeUs);
            Add(text, "nv_inference_compute_output_duration_us", "counter",
                "Time to take outputs, in microseconds, summed over requests", labels, _outputUs);
            Add(text, "nv_inference_pending_request_count", "gauge", "Requests waiting for a run", labels, _pending);
            if (_load is { } load)
                AddLoad(text, labels, load);
        }

        AddProcess(text);
        return text.ToString();
    }

    private static void AddLoad(StringBuilder text, string labels, LoadTimes load)
    {
        const string name = "plimsoll_model_load_duration_seconds";
        Head(text, name, "gauge", "Time that each stage of loading the model took");
        Line(text, name, $"{labels},stage=\"read\"", load.Read.TotalSeconds);
        Line(text, name, $"{labels},stage=\"initialise\"", load.Initialise.TotalSeconds);
        Line(text, name, $"{labels},stage=\"warmup\"", load.WarmUp.TotalSeconds);
        Add(text, "plimsoll_model_load_bytes", "gauge", "Bytes read to load the model", labels, load.Bytes);
    }

    private static void AddProcess(StringBuilder text)
    {
        var memory = ProcessMemory.Read();
        Add(text, "process_resident_memory_bytes", "gauge", "Resident memory now", null, memory.ResidentBytes);
        Add(text, "process_resident_memory_max_bytes", "gauge", "Largest resident memory so far", null, memory.PeakBytes);
        Add(text, "process_cpu_seconds_total", "counter", "Processor time used", null,
            Environment.CpuUsage.TotalTime.TotalSeconds);
    }

    private static void Add(StringBuilder text, string name, string type, string help, string? labels, double value)
    {
        Head(text, name, type, help);
        Line(text, name, labels, value);
    }

    private static void Head(StringBuilder text, string name, string type, string help) =>
        text.Append("# HELP ").Append(name).Append(' ').Append(help).Append('\n')
            .Append("# TYPE ").Append(name).Append(' ').Append(type).Append('\n');

    private static void Line(StringBuilder text, string name, string? labels, double value)
    {
        text.Append(name);
        if (labels is not null)
            text.Append('{').Append(labels).Append('}');
        text.Append(' ').Append(value.ToString("R", CultureInfo.InvariantCulture)).Append('\n');
    }

    private static string Escaped(string label) => label
        .Replace("\\", "\\\\", StringComparison.Ordinal)
        .Replace("\"", "\\\"", StringComparison.Ordinal)
        .Replace("\n", "\\n", StringComparison.Ordinal);
}
