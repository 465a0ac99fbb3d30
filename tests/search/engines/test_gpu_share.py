"""The part of a GPU that a job asks for, by formula."""

import pytest

from search.engines.gpu_share import MARGIN, MOST, GpuShare, Seen, part
from spaces.lane import DeviceMemory


def test_the_first_jobs_have_a_whole_gpu():
    assert Seen().jobs == 1
    assert GpuShare(1.0, shares=True).need == 1.0


@pytest.mark.parametrize("fits", range(1, MOST + 1))
def test_as_many_share_a_gpu_as_fit_with_a_margin(fits):
    memory = DeviceMemory(peak=0.99 / (MARGIN * fits) - 0.01, outside=0.01)
    assert Seen().after(memory, jobs=1).jobs == fits


def test_the_largest_job_counts_and_no_more_than_most_share():
    seen = Seen().after(DeviceMemory(0.001, 0.001), jobs=1)
    assert seen.jobs == MOST
    seen = seen.after(DeviceMemory(0.3, 0.0), jobs=MOST)
    assert seen.jobs == 2
    assert seen.after(DeviceMemory(0.001, 0.0), jobs=2) == seen
    assert seen.after(DeviceMemory(0.9, 0.0), jobs=2).jobs == 1


def test_the_memory_of_the_neighbours_is_not_that_of_the_job():
    seen = Seen().after(DeviceMemory(0.1, 0.02), jobs=1)
    assert seen.after(DeviceMemory(0.1, 0.8), jobs=4) == seen
    assert seen.after(DeviceMemory(0.1, 0.8), jobs=1).jobs == 1


def test_after_a_job_that_ran_out_of_memory_fewer_share():
    share = GpuShare(1.0, shares=True)
    share.took(DeviceMemory(0.01, 0.01), 1.0)
    for jobs in (8, 4, 2):
        assert share.need == part(jobs)
        assert share.ran_out(share.need)
        assert share.ran_out(part(8))  # a job that began when more shared it changes nothing
    assert share.need == 1.0
    assert not share.ran_out(1.0), "with all of it, it does not fit"
    share.took(DeviceMemory(0.01, 0.01), 1.0)
    assert share.need == 1.0


@pytest.mark.parametrize("jobs", range(1, MOST + 1))
def test_the_parts_of_a_gpu_fit_into_it_as_ray_counts(jobs):
    """Ray rounds to ten-thousandths."""
    assert jobs * round(10_000 * part(jobs)) <= 10_000
    assert round(1 / part(jobs)) == jobs


@pytest.mark.parametrize("gpus", [0.0, 0.5, 1.0, 2.0])
def test_what_the_user_asks_for_stays(gpus):
    share = GpuShare(gpus, shares=False)
    share.took(DeviceMemory(0.01, 0.01), gpus)
    assert share.need == gpus
    assert not share.ran_out(gpus)


def test_a_report_without_a_gpu_changes_nothing():
    share = GpuShare(1.0, shares=True)
    share.took(None, 1.0)
    assert share.need == 1.0


def test_the_first_job_on_the_only_gpu_asks_for_the_smallest_part():
    share = GpuShare(1.0, shares=True, only=True)
    assert (share.need, share.waits) == (part(MOST), True)
    assert not share.ran_out(share.need), "it was alone"
    share.took(DeviceMemory(0.1, 0.5), share.need)
    assert (share.need, share.waits) == (1.0, False), "what it did not take counts, for it was alone"
    assert not GpuShare(1.0, shares=False, only=True).waits
