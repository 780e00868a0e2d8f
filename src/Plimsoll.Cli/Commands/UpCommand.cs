using System.CommandLine;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Fleets;

namespace Plimsoll.Cli.Commands;

/// <summary>What <c>plimsoll up</c> was asked to do.</summary>
public sealed record UpArguments
{
    /// <summary>A folder or a fleet file; null for the quickstart fleet.</summary>
    public string? Target { get; init; }

    public string? State { get; init; }

    public int? Port { get; init; }

    public string Policy { get; init; } = Policies.Own;

    public FleetMode? Mode { get; init; }

    public bool LeaveRunning { get; init; }

    public bool Plain { get; init; }

    public bool Page { get; init; } = true;
}

/// <summary>The command <c>plimsoll up</c>.</summary>
public static class UpCommand
{
    public const string Name = "up";

    public static Command Create(TimeProvider time)
    {
        var target = new Argument<string?>("FLEET")
        {
            Description = "A fleet file, or a folder with ONNX or GGUF models; left out, three sample models",
            Arity = ArgumentArity.ZeroOrOne,
        };
        target.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && token.Value.StartsWith('-'))
                result.AddError($"There is no option {Show.Text(token.Value)}.");
        });
        var state = StateOption();
        var port = new Option<int?>("--port") { Description = "Port for requests, 0 for a free one (default 8080)", HelpName = "N" };
        port.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !(ushort.TryParse(token.Value, out _)))
                result.AddError($"--port is '{Show.Text(token.Value)}'; expected a whole number from 0 to 65535.");
        });
        var policy = PolicyOption();
        var mode = new Option<string?>("--mode") { Description = "observe, recommend or act, over what the file says" };
        mode.AcceptOnlyFromAmong([.. Enum.GetValues<FleetMode>().Select(value => ScalarKind.NameOf(value))]);
        var leave = new Option<bool>("--leave-running") { Description = "Leave the replicas running at the end; the next up adopts them" };
        var plain = new Option<bool>("--plain") { Description = "One line per event, as where the output is no terminal" };
        var page = new Option<bool>("--no-page") { Description = "Serve no live page; by default it is where requests go, at /" };
        var command = new Command(Name, "Serve a fleet on this machine until Ctrl-C") { target, state, port, policy, mode, leave, plain, page };
        command.SetAction((parsed, cancellationToken) => new UpRun(parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error, time)
            .RunAsync(
                new UpArguments
                {
                    Target = parsed.GetValue(target),
                    State = parsed.GetValue(state),
                    Port = parsed.GetValue(port),
                    Policy = parsed.GetValue(policy)!,
                    Mode = parsed.GetValue(mode) is { } name ? Enum.Parse<FleetMode>(name, ignoreCase: true) : null,
                    LeaveRunning = parsed.GetValue(leave),
                    Plain = parsed.GetValue(plain),
                    Page = !parsed.GetValue(page),
                },
                cancellationToken));
        return command;
    }

    public static Option<string?> StateOption() =>
        new("--state") { Description = "The fleet's state folder (default: by its name, below $XDG_STATE_HOME/plimsoll)", HelpName = "DIR" };

    public static Option<string> PolicyOption()
    {
        var policy = new Option<string>("--policy")
        {
            Description = "plimsoll, or size-blind: one threshold and one cooldown for all, as HPA and KEDA do",
            DefaultValueFactory = _ => Policies.Own,
        };
        policy.AcceptOnlyFromAmong(Policies.Own, Policies.SizeBlind);
        return policy;
    }

    public static Option<string?> FleetOption() =>
        new("--fleet") { Description = "The fleet's name (default: the one that ran last)", HelpName = "NAME" };
}
