using Plimsoll.Cli.Commands;

using var hangUp = HangUp.Register();
return await CommandLine.RunAsync(args, Console.Out, Console.Error, TimeProvider.System);
