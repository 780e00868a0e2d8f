using System.Globalization;
using Plimsoll;
using Plimsoll.Artifacts.Tests;

// Reads damaged artefacts, the same for the same seed. Arguments: [CASES [SEED]], the cases of all readers together.
if (args.Length > 2
    || !int.TryParse(args.ElementAtOrDefault(0) ?? "1000000", NumberStyles.None, CultureInfo.InvariantCulture, out var cases) || cases < FuzzTarget.All.Count
    || !ulong.TryParse(args.ElementAtOrDefault(1) ?? "1", NumberStyles.None, CultureInfo.InvariantCulture, out var seed))
{
    Console.Error.WriteLine($"Plimsoll.Fuzz: expected [CASES [SEED]], whole numbers, cases at least {FuzzTarget.All.Count}");
    return 2;
}

var time = TimeProvider.System;
var began = time.GetTimestamp();
var crashes = 0;
var (allCases, allRead) = (0, 0);
Console.WriteLine($"{"reader",-20} {"cases",9} {"read",9} {"refused",9} {"crashed",8} {"longest",10} {"largest",10}");
for (var i = 0; i < FuzzTarget.All.Count; i++)
{
    var target = FuzzTarget.All[i];
    var count = cases / FuzzTarget.All.Count + (i < cases % FuzzTarget.All.Count ? 1 : 0);
    var (read, crashed, longest, largest) = (0, 0, TimeSpan.Zero, 0L);
    for (var number = 0; number < count; number++)
    {
        var start = time.GetTimestamp();
        try
        {
            var (outcome, allocated) = FuzzCase.Run(target, seed, number);
            largest = Math.Max(largest, allocated);
            if (outcome == FuzzCase.Outcome.Read) read++;
        }
        catch (InvalidOperationException e)
        {
            if (crashed++ < 5) Console.WriteLine(e.Message);
        }

        var took = time.GetElapsedTime(start);
        if (took > longest) longest = took;
    }

    (crashes, allCases, allRead) = (crashes + crashed, allCases + count, allRead + read);
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{target.Name,-20} {count,9} {read,9} {count - read - crashed,9} {crashed,8} {longest.TotalMilliseconds,7:0.0} ms {new Bytes(largest),10}"));
}

Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
    $"{allCases} cases with seed {seed} in {time.GetElapsedTime(began).TotalSeconds:0} s: {allRead} read, {allCases - allRead - crashes} refused, {crashes} crashed or allocated more than {new Bytes(FuzzCase.AllocatedMax)}."));
return crashes == 0 ? 0 : 1;
