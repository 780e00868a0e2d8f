using Plimsoll.Artifacts;
using Plimsoll.ModelServer;

// Exit codes: 0 stopped when told to, 2 bad options, 3 the model cannot be served, 4 the port cannot be listened on.
NativeHeap.UseOneArena();
var command = CommandLine.Command(async (options, cancel) =>
{
    try
    {
        await new Server(options, Console.Out, TimeProvider.System).RunAsync(cancel);
        return 0;
    }
    catch (ArtifactException e)
    {
        Console.Error.WriteLine(e.Message);
        return 3;
    }
    catch (ServerException e)
    {
        Console.Error.WriteLine(e.Message);
        return 4;
    }
    catch (OutOfMemoryException)
    {
        Console.Error.WriteLine($"{options.ModelPath} does not fit into the memory that this process may use.");
        return 3;
    }
});
var parsed = command.Parse(args);
if (parsed.Errors.Count > 0)
{
    foreach (var error in parsed.Errors)
        Console.Error.WriteLine(error.Message);
    return 2;
}

return await parsed.InvokeAsync(new() { ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false });
