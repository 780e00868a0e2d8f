namespace Plimsoll.Simulation.Requests;

/// <summary>What a replica's metrics tell.</summary>
internal interface IReplicaGauges
{
    /// <summary>Requests sent here and not answered in full.</summary>
    int Outstanding { get; }

    /// <summary>Of those, requests that have not begun.</summary>
    int Waiting { get; }

    /// <summary>The share of the memory for keys and values in use; 0 where it keeps none.</summary>
    double CacheUse { get; }

    /// <summary>How many times as long as alone what it begins from now on takes, as others work on its devices too; 1 where nobody does.</summary>
    double Slowdown { get; set; }

    /// <summary>Seconds up to a time in which it had something to compute.</summary>
    double BusyUntil(double time);
}

/// <summary>What one that generates text tells besides.</summary>
internal interface ITokenGauges : IReplicaGauges
{
    /// <summary>Tokens that its memory for keys and values has room for.</summary>
    long TokenRoom { get; }

    /// <summary>Tokens it holds there.</summary>
    long TokensHeld { get; }

    /// <summary>The last step with a prompt in it.</summary>
    (long Tokens, double Seconds) LastPrompt { get; }

    /// <summary>The last step without one.</summary>
    (int Sequences, long Context, double Seconds) LastDecode { get; }
}
