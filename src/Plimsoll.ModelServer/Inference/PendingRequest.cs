using System.Globalization;

namespace Plimsoll.ModelServer;

/// <summary>A request waiting for its run.</summary>
internal sealed class PendingRequest
{
    private readonly TaskCompletionSource<TensorData[]> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public PendingRequest(ServedModel model, TensorData[] inputs, Signature[] outputs, long arrived)
    {
        (Inputs, Outputs, Arrived) = (inputs, outputs, arrived);
        var rows = inputs.Length > 0 && inputs[0].Shape.Length > 0 ? inputs[0].Shape[0] : 1;
        var isStackable = model.IsBatchable && rows > 0
            && inputs.All(input => input.Shape[0] == rows)
            && inputs.All(input => input.Data.Length > 0);
        Rows = (int)Math.Min(rows, int.MaxValue);
        Key = isStackable ? KeyOf(inputs, outputs) : null;
    }

    public TensorData[] Inputs { get; }

    public Signature[] Outputs { get; }

    /// <summary>The clock's timestamp at arrival.</summary>
    public long Arrived { get; }

    /// <summary>Length of the first axis.</summary>
    public int Rows { get; }

    /// <summary>Requests with equal keys may be stacked: same inputs, same trailing axes, same outputs. Null: alone.</summary>
    public string? Key { get; }

    public Task<TensorData[]> Result => _done.Task;

    public void Succeed(TensorData[] outputs) => _done.TrySetResult(outputs);

    public void Fail(Exception e) => _done.TrySetException(e);

    public void Cancel(CancellationToken cancel) => _done.TrySetCanceled(cancel);

    private static string KeyOf(TensorData[] inputs, Signature[] outputs)
    {
        var shapes = inputs.Select(input => string.Join(
            ',', input.Shape.Skip(1).Select(axis => axis.ToString(CultureInfo.InvariantCulture))));
        return $"{string.Join(';', shapes)}|{string.Join(';', outputs.Select(output => output.Name))}";
    }
}
