using Plimsoll.GatewayBench;

// `upstream`, `bare URL` or `ours URL`: serves on a free loopback port, prints its address on one line, and ends with
// its standard input or after five minutes, so that nothing outlives the script that started it.
using var end = new CancellationTokenSource(TimeSpan.FromMinutes(5));
var target = args.Length == 2 && Uri.TryCreate(args[1], UriKind.Absolute, out var url) ? url : null;
await using var server = (args, target) switch
{
    (["upstream"], _) => await Servers.UpstreamAsync(end.Token),
    (["bare", _], { } upstream) => await Servers.BareYarpAsync(upstream, end.Token),
    (["ours", _], { } upstream) => await Servers.OursAsync(upstream, end.Token),
    _ => null,
};
if (server is null)
{
    await Console.Error.WriteLineAsync("Plimsoll.GatewayBench: give `upstream`, `bare URL` or `ours URL`");
    return 2;
}

Console.WriteLine(server.Address.OriginalString.TrimEnd('/'));
try
{
    await Console.In.ReadToEndAsync(end.Token);
}
catch (OperationCanceledException)
{
    return 1;
}

return 0;
