using Microsoft.ML.OnnxRuntime;

namespace Plimsoll.ModelServer;

/// <summary>
/// A bounded queue in front of the model. Requests of equal shape share a run, up to the largest batch; the first one
/// waits at most the delay for others. Order of arrival decides who heads a batch, so no shape starves another.
/// </summary>
internal sealed class Batcher(ServerOptions options, ServedModel model, ServerMetrics metrics, TimeProvider clock)
    : IDisposable
{
    private readonly Lock _lock = new();
    private readonly LinkedList<PendingRequest> _queue = new();
    private readonly SemaphoreSlim _arrived = new(0);

    /// <summary>Queues a request and waits for its outputs; cancelling takes it out of the queue.</summary>
    /// <exception cref="InferenceException">The queue is full, or the model refuses the inputs.</exception>
    public async Task<TensorData[]> InferAsync(TensorData[] inputs, Signature[] outputs, CancellationToken cancel)
    {
        // Memory grows with the rows of a run. One request of 2,000 rows took a 5 MB model from 93 MiB to 2.3 GiB, and its
        // one run kept all others waiting for 100 s; what a replica may weigh was measured with batches of the largest size.
        if (model.IsBatchable && options.MaxBatch > 1 && inputs.Max(input => input.Shape[0]) is var rows && rows > options.MaxBatch)
            throw InferenceException.Malformed($"the request has {rows} rows, and at most {options.MaxBatch} are taken in one (--max-batch)");
        var request = new PendingRequest(model, inputs, outputs, clock.GetTimestamp());
        LinkedListNode<PendingRequest> node;
        lock (_lock)
        {
            if (_queue.Count >= options.MaxQueue)
                throw new InferenceException(503, $"the queue of model '{model.Name}' is full ({options.MaxQueue} requests)");
            node = _queue.AddLast(request);
        }

        metrics.Enqueued();
        _arrived.Release();
        using var registration = cancel.Register(() => Withdraw(node, cancel));
        return await request.Result;
    }

    /// <summary>Runs batches until cancelled. It blocks, on a thread of its own: the C library keeps freed activations
    /// per thread, and hopping over pool threads kept 100 MiB more of them in a 250 MB model.</summary>
    public void Run(ModelSession session, CancellationToken cancel)
    {
        while (true)
        {
            _arrived.Wait(cancel);
            if (Head() is not { } head)
                continue;
            Gather(head, cancel);
            var batch = Take();
            if (batch.Count > 0)
                Execute(session, batch);
        }
    }

    /// <summary>Fails whoever still waits, when the server ends.</summary>
    public void Abandon(Exception reason)
    {
        lock (_lock)
        {
            foreach (var request in _queue)
            {
                metrics.Dequeued();
                request.Fail(reason);
            }

            _queue.Clear();
        }
    }

    public void Dispose() => _arrived.Dispose();

    private void Withdraw(LinkedListNode<PendingRequest> node, CancellationToken cancel)
    {
        lock (_lock)
        {
            // Gone from the list means that it runs already; its result will find nobody waiting.
            if (node.List is not null)
            {
                _queue.Remove(node);
                metrics.Dequeued();
            }
        }

        node.Value.Cancel(cancel);
    }

    private PendingRequest? Head()
    {
        lock (_lock)
            return _queue.First?.Value;
    }

    private void Gather(PendingRequest head, CancellationToken cancel)
    {
        if (head.Key is null || options.MaxBatch <= head.Rows)
            return;
        while (true)
        {
            var left = options.BatchDelay - clock.GetElapsedTime(head.Arrived);
            if (left <= TimeSpan.Zero || RowsLike(head) >= options.MaxBatch || Head() != head)
                return;
            _arrived.Wait(left, cancel);
        }
    }

    private long RowsLike(PendingRequest head)
    {
        lock (_lock)
            return _queue.Where(request => request.Key == head.Key).Sum(request => (long)request.Rows);
    }

    private List<PendingRequest> Take()
    {
        var batch = new List<PendingRequest>();
        lock (_lock)
        {
            if (_queue.First is not { } first)
                return batch;
            var rows = 0L;
            for (var node = first; node is not null;)
            {
                var next = node.Next;
                var request = node.Value;
                if (node == first || (request.Key == first.Value.Key && request.Key is not null
                    && rows + request.Rows <= options.MaxBatch))
                {
                    batch.Add(request);
                    rows += request.Rows;
                    _queue.Remove(node);
                }

                node = first.Value.Key is null || rows >= options.MaxBatch ? null : next;
            }

            // The semaphore counts arrivals, and gathering may have used several up: somebody is still to be served.
            if (_queue.Count > 0 && _arrived.CurrentCount == 0)
                _arrived.Release();
        }

        foreach (var request in batch)
            metrics.Started(clock.GetElapsedTime(request.Arrived));
        return batch;
    }

    private void Execute(ModelSession session, List<PendingRequest> batch)
    {
        try
        {
            var start = clock.GetTimestamp();
            var inputs = batch.Count == 1 ? batch[0].Inputs : BatchStack.Stack(batch);
            var stacking = clock.GetElapsedTime(start);
            var (outputs, times) = session.Run(inputs, batch[0].Outputs);
            start = clock.GetTimestamp();
            var parts = batch.Count == 1 ? [outputs] : BatchStack.Split(batch, outputs);
            metrics.Executed(batch.Sum(request => request.Rows), new RunTimes(
                times.Input + stacking, times.Compute, times.Output + clock.GetElapsedTime(start)), batch.Count);
            for (var i = 0; i < batch.Count; i++)
                batch[i].Succeed(parts[i]);
        }
        catch (Exception e) when (batch.Count > 1 && e is not OperationCanceledException)
        {
            // One bad request must not fail its neighbours, nor a model whose rows are none: each gets its own run.
            foreach (var request in batch)
                Execute(session, [request]);
        }
        catch (InferenceException e)
        {
            batch[0].Fail(e);
        }
        catch (OnnxRuntimeException e)
        {
            batch[0].Fail(OrtErrors.IsBadInput(e)
                ? InferenceException.Malformed($"the model refused the inputs: {OrtErrors.Sentence(e)}")
                : new InferenceException(500, $"the model failed: {OrtErrors.Sentence(e)}"));
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // Whatever it was, the next request may do without it: memory that one run did not get, a value that nobody expected.
            batch[0].Fail(new InferenceException(500, $"the model failed: {e.Message}"));
        }
    }
}
