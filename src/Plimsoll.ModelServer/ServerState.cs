namespace Plimsoll.ModelServer;

/// <summary>Loading, then ready, then draining; and how many requests are in flight.</summary>
internal sealed class ServerState
{
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _isReady;
    private bool _isDraining;
    private int _inFlight;

    public bool IsReady
    {
        get
        {
            lock (_lock)
                return _isReady && !_isDraining;
        }
    }

    /// <summary>Why a request cannot be taken now.</summary>
    public string NotReadyReason
    {
        get
        {
            lock (_lock)
                return _isDraining ? "the server is shutting down" : "the model is still loading";
        }
    }

    public void BecomeReady()
    {
        lock (_lock)
            _isReady = true;
    }

    /// <summary>Takes a request in, or refuses it when not ready.</summary>
    public bool TryEnter()
    {
        lock (_lock)
        {
            if (!_isReady || _isDraining)
                return false;
            _inFlight++;
            return true;
        }
    }

    public void Leave()
    {
        lock (_lock)
        {
            _inFlight--;
            if (_isDraining && _inFlight == 0)
                _drained.TrySetResult();
        }
    }

    /// <summary>Refuses new requests; the task ends when the last one in flight is answered.</summary>
    public Task DrainAsync()
    {
        lock (_lock)
        {
            _isDraining = true;
            if (_inFlight == 0)
                _drained.TrySetResult();
        }

        return _drained.Task;
    }
}
