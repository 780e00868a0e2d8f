namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>Where the programs of a control plane lie: what <c>eng/build-control-plane</c> printed.</summary>
internal static class ControlPlaneBinaries
{
    private static readonly string[] Programs = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

    /// <summary>The folder, or a skip that says what is missing; a failure where CI says that it must be there.</summary>
    public static string FolderOrSkip()
    {
        var folder = Environment.GetEnvironmentVariable("KUBEBUILDER_ASSETS") is { Length: > 0 } named ? named : OurCache();
        var missing = Programs.FirstOrDefault(program => !File.Exists(Path.Combine(folder, program)));
        var reason = $"{folder} has no {missing}: eng/build-control-plane builds it there, and KUBEBUILDER_ASSETS names another folder";
        if (Environment.GetEnvironmentVariable("CI") == "true") Assert.True(missing is null, reason);
        Assert.SkipUnless(missing is null, reason);
        return folder;
    }

    private static string OurCache()
    {
        var cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } named
            ? named
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(cache, "plimsoll", "control-plane");
    }
}
