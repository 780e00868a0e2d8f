namespace Plimsoll.ModelServer;

/// <summary>Stacks requests along the first axis and takes the outputs apart again.</summary>
internal static class BatchStack
{
    public static TensorData[] Stack(IReadOnlyList<PendingRequest> batch)
    {
        var first = batch[0];
        return [.. first.Inputs.Select((input, i) =>
        {
            var data = new byte[batch.Sum(request => request.Inputs[i].Data.Length)];
            var at = 0;
            foreach (var request in batch)
            {
                request.Inputs[i].Data.CopyTo(data, at);
                at += request.Inputs[i].Data.Length;
            }

            return input with { Shape = [batch.Sum(request => (long)request.Rows), .. input.Shape[1..]], Data = data };
        })];
    }

    /// <exception cref="InferenceException">An output does not have one row for each input row.</exception>
    public static TensorData[][] Split(IReadOnlyList<PendingRequest> batch, TensorData[] outputs)
    {
        var rows = batch.Sum(request => (long)request.Rows);
        foreach (var output in outputs)
        {
            if (output.Shape.Length == 0 || output.Shape[0] != rows)
                throw new InferenceException(500, $"output '{output.Name}' has no row for each input");
        }

        var parts = new TensorData[batch.Count][];
        var row = 0;
        for (var i = 0; i < batch.Count; i++)
        {
            parts[i] = [.. outputs.Select(output => Rows(output, row, batch[i].Rows, (int)rows))];
            row += batch[i].Rows;
        }

        return parts;
    }

    private static TensorData Rows(TensorData output, int first, int count, int rows)
    {
        var rowBytes = output.Data.Length / rows;
        return output with
        {
            Shape = [count, .. output.Shape[1..]],
            Data = output.Data[(first * rowBytes)..((first + count) * rowBytes)],
        };
    }
}
