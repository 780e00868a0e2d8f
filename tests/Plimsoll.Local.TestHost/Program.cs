using Plimsoll.Local.TestHost;

// What the tests of the local fleet run as real processes: "serve PORT ..." is a small server with a temper,
// "fleet STATE NAME ..." a controller that can be killed.
return args switch
{
    ["serve", .. var rest] => await SmallServer.RunAsync(rest),
    ["fleet", var state, var name, .. var rest] => await KillableController.RunAsync(state, name, rest),
    _ => 64,
};
