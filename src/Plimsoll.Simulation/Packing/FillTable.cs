using System.Runtime.InteropServices;

namespace Plimsoll.Simulation.Packing;

/// <summary>Pods that have been seen, as one kind of device and one of the node's other resources count them.</summary>
/// <param name="Devices">1 or more.</param>
/// <param name="Steps">Hundredths of each device, rounded up.</param>
/// <param name="Need">Of the other resource, in the table's units, rounded up.</param>
/// <param name="Rate">Share of all arrivals.</param>
internal readonly record struct Demand(int Devices, int Steps, int Need, double Rate);

/// <summary>
/// What of an idle device is expected to stay idle for good, by how much of it is free and by what the node has left of
/// another resource. The device takes pods as they arrive or lets them pass; each that passes costs it
/// <see cref="PerArrival"/>, and it may give up and stay as it is. That is optimal stopping, whose value solves
/// W = min(idle, cost + E[min(W, W after the pod)]); states only ever shrink, so one sweep upwards finds them all.
/// </summary>
internal sealed class FillTable
{
    /// <summary>A device is counted in this many steps.</summary>
    public const int Steps = 100;

    /// <summary>Devices that wait for a pod lose this share of a device at each arrival they let pass. Fitted (docs/pack.md).</summary>
    public const double PerArrival = 0.002;

    private readonly int _rooms;

    // By steps (or whole devices) and room.
    private readonly (double Idle, double Need)[] _device;
    private readonly double[] _whole;

    /// <param name="demands">What arrives.</param>
    /// <param name="mostDevices">Whole devices of the largest node.</param>
    /// <param name="room">Units of the other resource on the largest node.</param>
    public FillTable(IReadOnlyList<Demand> demands, int mostDevices, int room)
    {
        _rooms = room + 1;
        _device = new (double, double)[(Steps + 1) * _rooms];
        _whole = new double[(mostDevices + 1) * _rooms];
        var ways = new List<(double Idle, double Need, double Rate)>(demands.Count);
        Demand[] single = [.. demands.Where(one => one.Devices == 1)];
        for (var steps = 1; steps <= Steps; steps++)
        {
            for (var left = 0; left < _rooms; left++)
            {
                ways.Clear();
                foreach (var one in single)
                {
                    if (one.Steps > steps || one.Need > left) continue;
                    var (idle, need) = _device[(steps - one.Steps) * _rooms + left - one.Need];
                    ways.Add((idle, need + one.Need, one.Rate));
                }

                _device[steps * _rooms + left] = Stopped(ways, (double)steps / Steps);
            }
        }

        for (var whole = 1; whole <= mostDevices; whole++)
        {
            for (var left = 0; left < _rooms; left++)
            {
                ways.Clear();
                foreach (var one in demands)
                {
                    if (one.Devices > whole || one.Need > left) continue;
                    // What it leaves of each device is filled up first, and needs its part of the room.
                    var (idle, need) = _device[(Steps - one.Steps) * _rooms + left - one.Need];
                    var then = Math.Max(0, (int)(left - one.Need - one.Devices * need));
                    ways.Add((one.Devices * idle + _whole[(whole - one.Devices) * _rooms + then], 0, one.Rate));
                }

                _whole[whole * _rooms + left] = Stopped(ways, whole).Idle;
            }
        }
    }

    /// <summary>Of a device with so many steps free: what is expected to stay idle, in devices, and what the pods it will take need of the room.</summary>
    public (double Idle, double Need) Device(int steps, double room) => _device[steps * _rooms + Math.Min((int)room, _rooms - 1)];

    /// <summary>Of so many whole devices: what is expected to stay idle, in devices; between two units of room, in proportion.</summary>
    public double Whole(int devices, double room)
    {
        var low = Math.Min((int)room, _rooms - 1);
        var part = Math.Clamp(room - low, 0, 1);
        return _whole[devices * _rooms + low] * (1 - part) + _whole[devices * _rooms + Math.Min(low + 1, _rooms - 1)] * part;
    }

    // Newton's steps towards the root of sum(rate * max(0, w - idle)) = cost, from above: each takes what is better than
    // the value so far, and the set shrinks until it no longer does.
    private static (double Idle, double Need) Stopped(List<(double Idle, double Need, double Rate)> ways, double idle)
    {
        var (value, need) = (idle, 0.0);
        while (true)
        {
            var (rate, cost, needed) = (0.0, PerArrival, 0.0);
            foreach (var one in CollectionsMarshal.AsSpan(ways))
            {
                if (one.Idle >= value) continue;
                rate += one.Rate;
                cost += one.Rate * one.Idle;
                needed += one.Rate * one.Need;
            }

            // The last bits of the sums would go on for ever.
            if (rate <= 0 || cost >= (value - 1e-9) * rate) return (value, need);
            (value, need) = (cost / rate, needed / rate);
        }
    }
}
