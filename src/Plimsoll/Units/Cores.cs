using System.Globalization;
using System.Text.Json.Serialization;
using Plimsoll.Json;

namespace Plimsoll;

/// <summary>Processor cores in thousandths, as Kubernetes counts them: 250 is a quarter of a core.</summary>
[JsonConverter(typeof(CoresConverter))]
public readonly record struct Cores(long Milli) : IComparable<Cores>
{
    public static readonly Cores Zero;

    public static Cores Of(double cores) => new(checked((long)Math.Round(cores * 1000)));

    public double Count => Milli / 1000.0;

    public static Cores operator +(Cores a, Cores b) => new(a.Milli + b.Milli);

    public static Cores operator -(Cores a, Cores b) => new(a.Milli - b.Milli);

    public static bool operator <(Cores a, Cores b) => a.Milli < b.Milli;

    public static bool operator >(Cores a, Cores b) => a.Milli > b.Milli;

    public static bool operator <=(Cores a, Cores b) => a.Milli <= b.Milli;

    public static bool operator >=(Cores a, Cores b) => a.Milli >= b.Milli;

    public int CompareTo(Cores other) => Milli.CompareTo(other.Milli);

    public override string ToString() => Count.ToString("0.###", CultureInfo.InvariantCulture);
}

/// <summary>A price in millionths of a US dollar per hour, so that decisions compare integers.</summary>
[JsonConverter(typeof(UsdPerHourConverter))]
public readonly record struct UsdPerHour(long Micro) : IComparable<UsdPerHour>
{
    public static UsdPerHour Of(double dollars) => new(checked((long)Math.Round(dollars * 1e6)));

    public double Dollars => Micro / 1e6;

    public int CompareTo(UsdPerHour other) => Micro.CompareTo(other.Micro);

    public static bool operator <(UsdPerHour a, UsdPerHour b) => a.Micro < b.Micro;

    public static bool operator >(UsdPerHour a, UsdPerHour b) => a.Micro > b.Micro;

    public static bool operator <=(UsdPerHour a, UsdPerHour b) => a.Micro <= b.Micro;

    public static bool operator >=(UsdPerHour a, UsdPerHour b) => a.Micro >= b.Micro;

    public override string ToString() => "$" + Dollars.ToString("0.####", CultureInfo.InvariantCulture) + "/h";
}
