using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace Plimsoll.Gateway;

/// <summary>
/// Accepts no more connections than may be open at once: those past it wait in the kernel, where they take no descriptor of this process. Kestrel's
/// own bound closes what it has accepted, and a burst of hundreds is accepted before any of it is closed.
/// </summary>
internal sealed class BoundedListener(IConnectionListener listener, int most) : IConnectionListener
{
    private readonly SemaphoreSlim _room = new(most);
    private readonly CancellationTokenSource _unbound = new();

    public EndPoint EndPoint => listener.EndPoint;

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _unbound.Token);
        try
        {
            await _room.WaitAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_unbound.IsCancellationRequested)
        {
            return null;
        }

        ConnectionContext? accepted = null;
        try
        {
            accepted = await listener.AcceptAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (accepted is null) _room.Release();
        }

        return accepted is null ? null : new Counted(accepted, _room);
    }

    public async ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        await _unbound.CancelAsync().ConfigureAwait(false);
        await listener.UnbindAsync(cancellationToken).ConfigureAwait(false);
    }

    // What is still open gives its room back later.
    public async ValueTask DisposeAsync()
    {
        await _unbound.CancelAsync().ConfigureAwait(false);
        await listener.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Binds such listeners by another factory's.</summary>
    /// <param name="factory">Whose listeners are bounded.</param>
    /// <param name="most">Of each, how many may be open at once.</param>
    internal sealed class Factory(IConnectionListenerFactory factory, int most) : IConnectionListenerFactory, IConnectionListenerFactorySelector
    {
        public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
            new BoundedListener(await factory.BindAsync(endpoint, cancellationToken).ConfigureAwait(false), most);

        public bool CanBind(EndPoint endpoint) => factory is not IConnectionListenerFactorySelector selector || selector.CanBind(endpoint);
    }

    // Gives its room back once it is closed.
    private sealed class Counted(ConnectionContext connection, SemaphoreSlim room) : ConnectionContext
    {
        private int _closed;

        public override string ConnectionId
        {
            get => connection.ConnectionId;
            set => connection.ConnectionId = value;
        }

        public override IFeatureCollection Features => connection.Features;

        public override IDictionary<object, object?> Items
        {
            get => connection.Items;
            set => connection.Items = value;
        }

        public override IDuplexPipe Transport
        {
            get => connection.Transport;
            set => connection.Transport = value;
        }

        public override CancellationToken ConnectionClosed
        {
            get => connection.ConnectionClosed;
            set => connection.ConnectionClosed = value;
        }

        public override EndPoint? LocalEndPoint
        {
            get => connection.LocalEndPoint;
            set => connection.LocalEndPoint = value;
        }

        public override EndPoint? RemoteEndPoint
        {
            get => connection.RemoteEndPoint;
            set => connection.RemoteEndPoint = value;
        }

        public override void Abort() => connection.Abort();

        public override void Abort(ConnectionAbortedException abortReason) => connection.Abort(abortReason);

        public override async ValueTask DisposeAsync()
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            await base.DisposeAsync().ConfigureAwait(false);
            if (Interlocked.Exchange(ref _closed, 1) == 0) room.Release();
        }
    }
}
