using System.CommandLine;
using Plimsoll.Cli.Demo;
using Plimsoll.Cli.Demo.Traffic;
using Plimsoll.Cli.Load;

var time = TimeProvider.System;
return await new RootCommand("Plimsoll scales a fleet of ML models by what they weigh.")
{
    LoadCommand.Create(time),
    DemoCommand.Create((arguments, traces, output, error, cancellationToken) =>
        DemoRun.RunAsync(arguments, traces, output, error, time, cancellationToken)),
    TrafficCommand.Create(time),
}.Parse(args).InvokeAsync();
